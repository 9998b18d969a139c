"""Ports, clocks and addresses, on loopback."""

from __future__ import annotations

import socket

import pytest

from libs.clock import SystemClock
from libs.doctor import network
from libs.doctor.finding import Level
from libs.rpc.server import serve
from libs.settings import ServiceSettings

CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("theirs", "level"),
    [(100.05, Level.OK), (98.5, Level.OK), (103.0, Level.WARNING), (60.0, Level.ERROR), (200.0, Level.ERROR)],
)
def test_a_clock_is_judged_by_what_the_way_cannot_explain(theirs: float, level: Level) -> None:
    assert network.skew("x", theirs, asked=100.0, answered=100.1).level is level


async def test_a_port_is_free_ours_or_somebody_elses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = await network.port("127.0.0.1", number, "answer", "ANSWER_PORT", None, CLOCK)
        assert (found.level, "ANSWER_PORT" in found.advice) == (Level.ERROR, True)
    assert "is free" in (await network.port("127.0.0.1", number, "answer", "X", None, CLOCK)).message
    settings = ServiceSettings(_env_file=None, drain_notice_seconds=0)
    async with serve(name="answer", settings=settings, services=[]) as server:
        found = await network.port("127.0.0.1", server.port, "answer", "X", None, CLOCK)
    assert (found.level, "is running" in found.message) == (Level.OK, True)


async def test_a_service_tells_its_version_and_its_clock() -> None:
    settings = ServiceSettings(_env_file=None, drain_notice_seconds=0)
    async with serve(name="answer", settings=settings, services=[]) as server:
        same, other = [
            await network.service("answer", server.address, None, version, CLOCK)
            for version in (_version(), "99.0")
        ]
        address = await network.address("answer", f"http://{server.address}/x", "Start it.")
    assert [finding.level for finding in same] == [Level.OK] * 3
    assert [finding.check for finding in same] == ["reach", "version", "clock"]
    assert [finding.level for finding in other] == [Level.OK, Level.WARNING, Level.OK]
    assert address.level is Level.OK
    gone = await network.service("answer", server.address, None, "1", CLOCK)
    assert [finding.level for finding in gone] == [Level.ERROR]
    assert (await network.address("answer", f"http://{server.address}", "Start it.")).advice == "Start it."


def _version() -> str:
    from libs.version import program_version

    return program_version()
