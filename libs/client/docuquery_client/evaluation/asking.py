"""Many calls, some at a time, each made again when its failure passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from docuquery_client.errors import ApiError

_ATTEMPTS = 4
_RETRY_SECONDS = 1.0

T = TypeVar("T")


async def retrying(call: Callable[[], Awaitable[T]]) -> T:
    """The result of `call`, made again after errors that pass: one busy moment must not end a long run."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return await call()
        except ApiError as error:
            if not error.retryable or not error.server_spoke:
                raise
            await asyncio.sleep(error.retry_after_seconds or _RETRY_SECONDS * attempt)
    return await call()


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[None]], concurrency: int) -> None:
    """Does `work` for every item, `concurrency` at a time; the first failure ends it."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def timed(call: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    """The result of `call`, and the seconds it took."""
    started = time.monotonic()
    result = await call()
    return result, time.monotonic() - started
