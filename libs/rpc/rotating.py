"""A channel that is exchanged for another under those who use it, when its certificates change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import structlog

from libs.clock import Clock
from libs.rpc.tls_files import Signature

log = structlog.get_logger()

CHECK_SECONDS = 5.0
"""How often the files are looked at."""

_OLD_CALLS_SECONDS = 3600.0
"""How long calls of a channel that was exchanged may go on: as long as a large upload."""


class RotatingChannel(grpc.aio.Channel):
    """Hands every call to the newest channel; `follow` makes a new one when the files have changed."""

    def __init__(self, make: Callable[[], grpc.aio.Channel], signature: Callable[[], Signature]) -> None:
        self._make = make
        self._signature = signature
        self._seen = signature()
        self._now = make()
        self._exchanged = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    async def follow(self, clock: Clock) -> None:
        """Looks at the files for ever. What cannot be used is told in the log, and looked at again."""
        while True:
            await clock.sleep(CHECK_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Makes a new channel if the files have changed; calls under way stay with the old one."""
        try:
            signature = self._signature()
            if signature == self._seen:
                return
            new = self._make()
        except (OSError, ValueError) as error:
            log.warning("certificate_not_read", error=str(error))
            return
        self._seen = signature
        old, self._now = self._now, new
        self._exchanged.set()
        self._exchanged = asyncio.Event()
        log.info("channel_exchanged")
        task = asyncio.create_task(old.close(_OLD_CALLS_SECONDS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- grpc.aio.Channel ---

    async def __aenter__(self) -> RotatingChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Closes the newest channel, and what is left of older ones."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._now.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the newest channel."""
        return self._now.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state may be another one: an exchange counts as a change."""
        waits = (
            asyncio.ensure_future(self._now.wait_for_state_change(last_observed_state)),
            asyncio.ensure_future(self._exchanged.wait()),
        )
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def channel_ready(self) -> None:
        """Returns when the newest channel is connected."""
        while (state := self.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            await self.wait_for_state_change(state)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A method of the newest channel, whichever it is when it is called."""
        return self._method("unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """The same for a method that streams responses."""
        return self._method("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """The same for a method that streams requests."""
        return self._method("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """The same for a method that streams both."""
        return self._method("stream_stream", args, kwargs)

    def _method(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
        made_by = self._now
        method = getattr(made_by, kind)(*args, **kwargs)

        def call(*call_args: Any, **call_kwargs: Any) -> Any:
            nonlocal made_by, method
            if made_by is not self._now:
                made_by, method = self._now, getattr(self._now, kind)(*args, **kwargs)
            return method(*call_args, **call_kwargs)

        call._method = getattr(method, "_method", "")  # type: ignore[attr-defined]  # as `client._name` reads it
        return call
