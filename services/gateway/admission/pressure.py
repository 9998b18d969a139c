"""Less room while the system cannot keep up: shedding load before everything becomes slow.

How late an event loop wakes a sleeper, or answers a health check, says how long everything else waits for the
processor in that process. While this one, or one that a question needs, is late, the bulkheads shrink step by
step; when none is, they grow back. How long models take to write does not matter here: a hundred calls that
wait for them make no loop late.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import grpc
import structlog

from libs.background import beside
from libs.clock import Clock
from services.gateway.admission.bulkhead import Bulkhead

log = structlog.get_logger()

TICK_SECONDS = 0.05
LATE_SECONDS = 0.1
"""Later than this is too late: a question passes three loops on its way, some of them several times."""

PROBE_EVERY_SECONDS = 0.2
PROBE_TIMEOUT_SECONDS = 2.0

_WORTH_TELLING = 0.5
_SHRINK = 0.7
_GROW = 0.02
"""Full size again after 2.5 s without pressure. Fast down, slow up, as in TCP's congestion control."""


class Check(Protocol):
    """Asks a service for its health."""

    async def __call__(self, timeout_seconds: float) -> object:
        """What it says. Raises grpc.aio.AioRpcError when it does not answer."""
        ...


class Pressure:
    """The share of its full size that every bulkhead may have. Pure."""

    def __init__(self) -> None:
        self.share = 1.0

    def note(self, late_seconds: float) -> float:
        """The share, after the latest of the loops was so late."""
        if late_seconds > LATE_SECONDS:
            self.share *= _SHRINK
        else:
            self.share = min(1.0, self.share + _GROW)
        return self.share


class Probe:
    """Asks a service for its health again and again, and knows how late its answers are."""

    def __init__(self, check: Check, clock: Clock, *, is_replicated: bool = False) -> None:
        """`is_replicated`: whether several processes may answer. One of them that hangs is not pressure."""
        self._check = check
        self._clock = clock
        # So long the answers of the others stand for those that do not come.
        self._patience_seconds = PROBE_TIMEOUT_SECONDS if is_replicated else 0.0
        self._waiting_since: list[float] = []
        self._answered_at = clock.monotonic()
        self._took = 0.0

    @property
    def late_seconds(self) -> float:
        """How long the last answer took, or the next one is taking already. 0 while nobody is there."""
        waiting = 0.0
        if self._waiting_since and not self._is_answered:
            waiting = self._clock.monotonic() - self._waiting_since[0]
        return max(self._took, waiting)

    @property
    def _is_answered(self) -> bool:
        return self._clock.monotonic() - self._answered_at < self._patience_seconds

    async def run(self) -> None:
        """Goes on until it is cancelled. Who is asked next does not wait for who hangs."""
        async with asyncio.TaskGroup() as asked:
            while True:
                asked.create_task(self.ask())
                await self._clock.sleep(PROBE_EVERY_SECONDS)

    async def ask(self) -> None:
        """Asks once."""
        asked_at = self._clock.monotonic()
        self._waiting_since.append(asked_at)
        try:
            await self._check(PROBE_TIMEOUT_SECONDS)
            self._answered_at = self._clock.monotonic()
            self._took = self._answered_at - asked_at
        except grpc.aio.AioRpcError:
            if not self._is_answered:
                self._took = 0.0  # not there, or not serving: that is the breakers' affair
        finally:
            self._waiting_since.remove(asked_at)


@asynccontextmanager
async def relieved(
    rooms: Collection[Bulkhead], probes: Collection[Probe], clock: Clock
) -> AsyncIterator[None]:
    """Resizes `rooms` inside the block, as pressure comes and goes here and in the services probed."""

    async def watch() -> None:
        pressure, shedding = Pressure(), False
        while True:
            before = clock.monotonic()
            await clock.sleep(TICK_SECONDS)
            own = clock.monotonic() - before - TICK_SECONDS
            share = pressure.note(max([own, *(probe.late_seconds for probe in probes)]))
            for room in rooms:
                room.resize(share)
            if not shedding and share < _WORTH_TELLING:
                shedding = True
                log.warning("shedding_load")
            elif shedding and share == 1.0:
                shedding = False
                log.info("full_size_again")

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(beside("pressure", watch, clock))
        for probe in probes:
            await stack.enter_async_context(beside("probe", probe.run, clock))
        yield
