"""The end of a server: no new calls, the ones under way finish, then it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.interceptor import IncomingCall


class Drain:
    """Counts calls under way, and refuses new ones once told to.

    gRPC's own `stop(grace)` also waits for health watches, which never end by themselves.
    """

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    @asynccontextmanager
    async def counting_layer(self, _call: IncomingCall) -> AsyncIterator[None]:
        """Counts one call."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._idle.set()

    @asynccontextmanager
    async def refusing_layer(self, _call: IncomingCall) -> AsyncIterator[None]:
        """Raises SHUTTING_DOWN for calls that come after the drain began."""
        if self._draining:
            raise DocuQueryError(
                reasons.ERROR_REASON_SHUTTING_DOWN, "This server is shutting down. Try again in a moment."
            )
        yield

    async def finish(self, grace_seconds: float) -> bool:
        """Refuses new calls and waits for the others; False when some were still there after the grace."""
        self._draining = True
        try:
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
