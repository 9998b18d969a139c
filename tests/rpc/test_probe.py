"""The image's health check against a real server."""

from __future__ import annotations

import asyncio

import pytest

from docuquery_client.ports import free_ports
from libs.rpc.probe import EXIT_NO_PORT, EXIT_NOT_SERVING, EXIT_SERVING, health_port, main
from libs.rpc.server import serve
from libs.settings import ServiceSettings


async def test_it_says_whether_a_service_is_ready_and_alive(capsys: pytest.CaptureFixture[str]) -> None:
    [port] = free_ports(1)
    environment = {"INGEST_HEALTH_PORT": str(port)}
    settings = ServiceSettings(_env_file=None, health_port=port, drain_notice_seconds=0)
    async with serve(name="ingest", settings=settings, services=[], ready=False) as server:
        assert await asyncio.to_thread(main, [], environment) == EXIT_NOT_SERVING
        assert await asyncio.to_thread(main, ["liveness"], environment) == EXIT_SERVING
        await server.health.set_ready(True)
        assert await asyncio.to_thread(main, [], environment) == EXIT_SERVING
    assert await asyncio.to_thread(main, [], environment) == EXIT_NOT_SERVING
    said = [line for line in capsys.readouterr().out.splitlines() if line.isupper()]  # the rest is the log
    assert said == ["NOT_SERVING", "SERVING", "SERVING", "UNAVAILABLE"]


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({"GATEWAY_HEALTH_PORT": "8081"}, 8081),
        ({"GATEWAY_HEALTH_PORT": "8081", "INGEST_HEALTH_PORT": "8081", "ANSWER_HEALTH_PORT": ""}, 8081),
        ({"GATEWAY_HEALTH_PORT": "0"}, 0),
        ({"GATEWAY_HEALTH_PORT": "8081", "INGEST_HEALTH_PORT": "8082"}, 0),
        ({}, 0),
    ],
)
def test_the_port_is_the_one_that_is_set(environment: dict[str, str], port: int) -> None:
    assert health_port(environment) == port


def test_without_a_port_it_says_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == EXIT_NO_PORT
    assert "HEALTH_PORT" in capsys.readouterr().err
