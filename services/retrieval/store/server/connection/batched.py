"""Requests of several callers, sent as one.

A call to an engine costs both sides more than what most of them ask for. So while some calls are under way,
further requests gather, and the next call takes them along. Whoever is alone waits for nobody, and nobody
waits long for a call that does not end, as when an engine is gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Batcher(Generic[A, R]):
    """Gathers requests of one kind."""

    def __init__(
        self,
        send: Callable[[Sequence[A]], Awaitable[Sequence[R]]],
        *,
        most: int,
        under_way: int,
        most_wait_seconds: float = 0.05,
    ) -> None:
        """`send` gives as many replies as it is given requests, in their order.

        most: Requests in one call.
        under_way: Calls at a time, at least 1.
        most_wait_seconds: What has waited so long is sent although as many are under way.
        """
        self._send = send
        self._most = most
        self._may_start = under_way
        self._most_wait_seconds = most_wait_seconds
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._overdue: asyncio.TimerHandle | None = None

    async def ask(self, request: A) -> R:
        """The reply to one request. Raises what `send` does, as all do whose requests were sent with it.

        Whoever stops waiting stops nobody else.
        """
        reply: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, reply))
        self._start()
        if self._waiting and self._overdue is None:
            self._overdue = asyncio.get_running_loop().call_later(
                self._most_wait_seconds, self._start_overdue
            )
        return await reply

    def _start(self) -> None:
        while self._may_start > 0 and (batch := self._next()):
            self._launch(batch)

    def _start_overdue(self) -> None:
        self._overdue = None
        while batch := self._next():
            self._launch(batch)

    def _launch(self, batch: Sequence[tuple[A, asyncio.Future[R]]]) -> None:
        self._may_start -= 1
        call = asyncio.create_task(self._call(batch))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    def _next(self) -> list[tuple[A, asyncio.Future[R]]]:
        """The requests of the next call, without those nobody waits for any more."""
        batch: list[tuple[A, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < self._most:
            request, reply = self._waiting.popleft()
            if not reply.done():
                batch.append((request, reply))
        return batch

    async def _call(self, batch: Sequence[tuple[A, asyncio.Future[R]]]) -> None:
        try:
            replies = await self._send([request for request, _ in batch])
            for (_, reply), value in zip(batch, replies, strict=True):
                if not reply.done():
                    reply.set_result(value)
        except Exception as error:
            for _, reply in batch:
                if not reply.done():
                    reply.set_exception(error)
        finally:
            for _, reply in batch:
                reply.cancel()  # does nothing, unless this call was cancelled with the process
            self._may_start += 1
            self._start()
