"""SIGUSR1 makes a process log more for a while, SIGUSR2 ends it, and it ends by itself."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Iterator

import pytest
import structlog

from libs.debug_log import DebugLog
from libs.logging import configure_logging, is_debugging


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging("INFO", "json", "test")
    yield
    configure_logging("INFO", "json", "test")
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    structlog.get_logger().debug("detail")
    logging.getLogger("library").info("request")
    return [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]


async def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    for _ in range(5):  # turns of the loop, which reads the signal from its pipe
        await asyncio.sleep(0)


async def test_signals_begin_and_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert logged(capsys) == []
    with DebugLog("INFO", 600).listening():
        await send(signal.SIGUSR1)
        assert is_debugging()
        assert logged(capsys) == ["log_level", "detail", "request"]
        await send(signal.SIGUSR2)
        assert not is_debugging()
        assert logged(capsys) == ["log_level"]


async def test_it_ends_by_itself() -> None:
    later = asyncio.Event()
    with DebugLog("WARNING", 0.05).listening():
        await send(signal.SIGUSR1)
        assert is_debugging()
        asyncio.get_running_loop().call_later(0.1, later.set)
        await later.wait()  # timers fire in their order
        assert not is_debugging()
