"""The metrics port answers whatever the event loop is doing, and lets go of its port."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from docuquery_client.ports import free_ports
from libs.telemetry.metrics import Gauge
from libs.telemetry.scrape import MetricsPort

FOLLOWED = Gauge("test_followed", "Read on the loop.")


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        return str(reply.read().decode())


async def test_a_scrape_shows_what_is_followed_at_that_moment() -> None:
    (port,) = free_ports(1)
    metrics_port = MetricsPort("127.0.0.1", port, asyncio.get_running_loop())
    try:
        FOLLOWED.follow(lambda: 42.0)
        text = await asyncio.to_thread(scrape, port)
    finally:
        metrics_port.close()
    assert "test_followed 42.0" in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text
    socket.create_server(("127.0.0.1", port)).close()  # free again


async def test_a_loop_that_is_held_up_does_not_keep_the_scrape_waiting_for_ever() -> None:
    (port,) = free_ports(1)
    metrics_port = MetricsPort("127.0.0.1", port, asyncio.get_running_loop())
    try:
        with ThreadPoolExecutor(1) as thread:
            scraping = thread.submit(scrape, port)
            # Waited for on the loop's own thread: the loop does not turn meanwhile.
            assert "process_cpu_seconds_total" in scraping.result(timeout=20)
    finally:
        metrics_port.close()


async def test_a_port_that_is_taken_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"metrics on 127.0.0.1:{port}"):
            MetricsPort("127.0.0.1", port, asyncio.get_running_loop())
