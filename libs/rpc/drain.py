"""The end of a server: callers are told, go elsewhere, the calls under way finish, then it stops."""

from __future__ import annotations

import asyncio
from typing import cast

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.rpc.layered import IncomingCall

_QUIET_SECONDS = 0.1
"""No newcomer for so long: callers have noticed. Those that watch the health check do so in milliseconds."""

_LAST_WORD_SECONDS = 0.5
"""For telling those whose calls are cut off. A caller that does not read keeps nobody longer than that."""


class Drain:
    """Counts calls under way, and refuses new ones once told to.

    gRPC's own `stop(grace)` also waits for health watches, which never end by themselves.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self._came_at = -_QUIET_SECONDS
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._cut_off: set[asyncio.Task[None]] = set()

    async def counting_layer(self, call: IncomingCall) -> None:
        """Counts one call."""
        self._came_at = self._clock.monotonic()
        self._count += 1
        self._idle.clear()
        try:
            await call.proceed()
        finally:
            self._count -= 1
            if self._count == 0:
                self._idle.set()

    def is_refusing(self) -> bool:
        """Whether the drain has begun, so that calls that come are refused."""
        return self._draining

    async def refusing_layer(self, call: IncomingCall) -> None:
        """Raises SHUTTING_DOWN for calls that come after the drain began, and for those it cuts off."""
        if self._draining:
            raise DocuQueryError(
                reasons.ERROR_REASON_SHUTTING_DOWN, "This server is shutting down. Try again in a moment."
            )
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._under_way.add(task)
        try:
            await call.proceed()
        except asyncio.CancelledError:
            if task not in self._cut_off:
                raise
            task.uncancel()
            raise DocuQueryError(
                reasons.ERROR_REASON_SHUTTING_DOWN,
                "This server is shutting down and could not wait for the call's end. Try again in a moment.",
            ) from None
        finally:
            self._under_way.discard(task)
            self._cut_off.discard(task)

    async def let_callers_leave(self, notice_seconds: float) -> None:
        """Goes on serving until no new call has come for a moment, at most `notice_seconds`.

        To be called when health checks say NOT_SERVING already: who balances its calls needs time to read
        that, and the calls it sends meanwhile are not to fail.
        """
        end = self._clock.monotonic() + notice_seconds
        while True:
            now = self._clock.monotonic()
            left = min(end, self._came_at + _QUIET_SECONDS) - now
            if left <= 0:
                return
            await self._clock.sleep(left)

    async def finish(self, grace_seconds: float) -> bool:
        """Refuses new calls and waits for the others; False when some were still there after the grace.

        Those are cut off, and told why: gRPC would end them without a reason.
        """
        self._draining = True
        if await self._all_gone(grace_seconds):
            return True
        for task in self._under_way:
            self._cut_off.add(task)
            task.cancel()
        await self._all_gone(_LAST_WORD_SECONDS)
        return False

    async def _all_gone(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
