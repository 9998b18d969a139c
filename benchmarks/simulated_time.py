"""An event loop on which time passes only while everybody waits: an hour of sleeping takes no time at all.

`asyncio.sleep`, `asyncio.timeout` and everything made of them run on it unchanged, so that the gateway's own
code can be simulated, not a copy of it. Whatever computes takes no simulated time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_START = datetime(2026, 1, 1, tzinfo=UTC)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Instead of waiting for the next timer it goes there."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        selector = self._selector  # type: ignore[attr-defined]  # where asyncio's loops wait
        wait = selector.select

        def select(timeout: float | None = None) -> Any:
            if timeout is None:
                return wait(None)
            self._now += max(0.0, timeout)
            return wait(0)

        selector.select = select

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._now


class SimulatedClock:
    """The clock of the simulated loop that runs."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return _START + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run_simulated(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end on simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)
