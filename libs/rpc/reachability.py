"""Whether anybody serving is at the other end of a channel, known without asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import grpc
import structlog

from libs.background import beside

log = structlog.get_logger()


class Reachability:
    """Follows a channel's state: READY means that at least one address is connected and says SERVING."""

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self._name = name
        self._channel = channel
        self._there = asyncio.Event()
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def is_reachable(self) -> bool:
        """Whether a call made now would be sent at once."""
        return self._there.is_set()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Has `listener` told of every change; it must not block."""
        self._listeners.append(listener)

    async def wait(self, seconds: float) -> None:
        """Waits for somebody to be there, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._there.wait()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follows the channel inside the block, and keeps it connected."""
        async with beside("reachability", self._follow):
            yield

    async def _follow(self) -> None:
        while True:
            state = self._channel.get_state(try_to_connect=True)
            self._note(state is grpc.ChannelConnectivity.READY)
            await self._channel.wait_for_state_change(state)

    def _note(self, there: bool) -> None:
        if there == self._there.is_set():
            return
        if there:
            self._there.set()
            log.info("service_reachable", target=self._name)
        else:
            self._there.clear()
            log.warning("service_unreachable", target=self._name)
        for listener in self._listeners:
            listener(there)
