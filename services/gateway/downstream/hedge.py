"""Asking another replica when one is slow: for idempotent reads, and within a budget.

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
"""For each read at most so many more: when everything is slow, twice the load makes it slower."""
_BURST = 10.0
_MOST_READS = 4
"""Who is asked next is the balancer's choice: it may be the silent one again."""


class Hedge:
    """Gives slow reads further chances. `after_seconds`: how long each may take; None: there is but one."""

    def __init__(self, after_seconds: float | None) -> None:
        self._after_seconds = after_seconds
        self._tokens = _BURST

    async def run(self, read: Callable[[], Awaitable[T]]) -> T:
        """The first result of one `read` or several; the rest is cancelled. Raises what the first raises."""
        if self._after_seconds is None:
            return await read()  # a task more costs a question some percent
        self._tokens = min(_BURST, self._tokens + _SHARE)
        reads = [asyncio.ensure_future(read())]
        waiting = {*reads}
        try:
            while waiting:
                may_ask = self._tokens >= 1 and len(reads) < _MOST_READS
                done, waiting = await asyncio.wait(
                    waiting,
                    timeout=self._after_seconds if may_ask else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    if task.exception() is None:
                        return task.result()
                if not done and self._tokens >= 1:
                    self._tokens -= 1
                    HEDGES.add()
                    log.warning("read_hedged", after_seconds=self._after_seconds)
                    reads.append(asyncio.ensure_future(read()))
                    waiting.add(reads[-1])
            return await reads[0]
        finally:
            for task in reads:
                task.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
