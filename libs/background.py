"""Work that goes on beside a service for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from libs.clock import Clock, SystemClock

log = structlog.get_logger()

FIRST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 1.0, 60.0
"""Before work that failed is begun again: the first time, and at last."""


@asynccontextmanager
async def beside(
    name: str, work: Callable[[], Coroutine[Any, Any, None]], clock: Clock | None = None
) -> AsyncIterator[None]:
    """Does `work` while the block runs, and cancels it at its end.

    Work that raises is begun again, after a pause that doubles each time; the log tells of it, since nobody
    waits for its result. Work that returns is done.
    """
    task = asyncio.create_task(_persistently(name, work, clock or SystemClock()), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _persistently(name: str, work: Callable[[], Coroutine[Any, Any, None]], clock: Clock) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await work()
        except Exception:
            log.exception("background_work_failed", work=name, again_in_seconds=pause)
            await clock.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE_SECONDS)
        else:
            return
