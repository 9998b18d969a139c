"""Asking a second replica when the first is slow: for idempotent reads, and within a budget.

A paused or half-dead replica looks alive to its channel until keepalive gives it up; meanwhile every other
read of two replicas would wait for its deadline (J. Dean and L. A. Barroso, The Tail at Scale, CACM 56:2,
2013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.gateway.telemetry import HEDGES

log = structlog.get_logger()

T = TypeVar("T")

_SHARE = 0.1
"""Of all reads at most so many are asked twice: when everything is slow, twice the load makes it slower."""
_BURST = 10.0


class Hedge:
    """Gives slow reads a second chance. `after_seconds`: how long the first may take; None: no second."""

    def __init__(self, after_seconds: float | None) -> None:
        self._after_seconds = after_seconds
        self._tokens = _BURST

    async def run(self, read: Callable[[], Awaitable[T]]) -> T:
        """The first result of one `read` or two. Raises what `read` raises; the loser is cancelled."""
        if self._after_seconds is None:
            return await read()
        self._tokens = min(_BURST, self._tokens + _SHARE)
        first = asyncio.ensure_future(read())
        reads = {first}
        try:
            done, _ = await asyncio.wait(reads, timeout=self._after_seconds)
            if not done and self._tokens >= 1:
                self._tokens -= 1
                HEDGES.add()
                log.warning("read_hedged", after_seconds=self._after_seconds)
                reads.add(asyncio.ensure_future(read()))
                done, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
                if all(task.exception() is not None for task in done):
                    done, _ = await asyncio.wait(reads)  # the other one may still bring it
            winners = [task for task in done if task.exception() is None]
            return await (winners[0] if winners else first)
        finally:
            for task in reads:
                task.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
