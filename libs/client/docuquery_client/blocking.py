"""The client for code without an event loop: every method of AsyncDocuQuery, run on a loop of its own."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from docuquery_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_SECONDS, AsyncDocuQuery
from docuquery_client.resume import upload_resuming
from docuquery_client.tls import Tls

P = ParamSpec("P")
R = TypeVar("R")

_ENDING_SECONDS = 1.0
"""For calls that were cancelled to be over."""


def _blocking(
    method: Callable[Concatenate[AsyncDocuQuery, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[DocuQuery, P], R]:
    """`method` as one that waits for its result; same arguments, same documentation."""

    @functools.wraps(method)
    def call(self: DocuQuery, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._wait(method(self._client, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[AsyncDocuQuery, P], AsyncGenerator[R, None]],
) -> Callable[Concatenate[DocuQuery, P], Iterator[R]]:
    """`method` as one that yields item by item; leaving the loop early ends the call."""

    @functools.wraps(method)
    def call(self: DocuQuery, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        items = method(self._client, *args, **kwargs)
        self._open.add(items)
        ended = object()

        async def following() -> object:
            return await anext(items, ended)

        try:
            while (item := self._wait(following())) is not ended:
                yield item  # type: ignore[misc] # `following` returns R or the sentinel just excluded
        finally:
            self._open.discard(items)
            if not self._unusable():  # a client that is closed has ended it
                self._wait(_awaited(items.aclose()))

    return call


async def _awaited(awaitable: Awaitable[R]) -> R:
    return await awaitable


class DocuQuery:
    """A client of one DocuQuery server whose methods wait. See AsyncDocuQuery for arguments and errors.

    Safe to share between threads, not with processes forked after it was made (those of a web server that
    loads the application first): make it in each. Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        api_key: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        tls: Tls | None = None,
    ) -> None:
        self._client = AsyncDocuQuery(address, api_key, timeout_seconds=timeout_seconds, tls=tls)
        self._pid = os.getpid()
        self._open: set[AsyncGenerator[Any, None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="docuquery-client", daemon=True)
        self._thread.start()

    upload_document = _blocking(AsyncDocuQuery.upload_document)
    upload_many = _iterating(AsyncDocuQuery.upload_many)
    upload_resuming = _iterating(upload_resuming)
    get_document = _blocking(AsyncDocuQuery.get_document)
    list_documents = _blocking(AsyncDocuQuery.list_documents)
    documents = _iterating(AsyncDocuQuery.documents)
    delete_document = _blocking(AsyncDocuQuery.delete_document)
    get_stats = _blocking(AsyncDocuQuery.get_stats)
    search = _blocking(AsyncDocuQuery.search)
    get_passage = _blocking(AsyncDocuQuery.get_passage)
    ask = _blocking(AsyncDocuQuery.ask)
    query = _blocking(AsyncDocuQuery.query)
    ask_stream = _iterating(AsyncDocuQuery.ask_stream)
    get_conversation = _blocking(AsyncDocuQuery.get_conversation)
    delete_conversation = _blocking(AsyncDocuQuery.delete_conversation)
    get_system_status = _blocking(AsyncDocuQuery.get_system_status)
    list_prompts = _blocking(AsyncDocuQuery.list_prompts)

    @property
    def address(self) -> str:
        """The server's address."""
        return self._client.address

    def _wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        if fault := self._unusable():
            coroutine.close()
            raise RuntimeError(fault)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C while waiting must not leave the call running
            raise

    def _unusable(self) -> str:
        """Why no call can be made; empty when one can."""
        if self._loop.is_closed():
            return "this client is closed"
        if os.getpid() != self._pid:
            # A fork takes no threads along, so nobody here turns the loop.
            return "this client was made before this process was forked: make one in each process"
        return ""

    def close(self) -> None:
        """Closes the connection and ends the loop's thread. Further calls raise RuntimeError."""
        if self._unusable():
            return
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Ends streams that were left open and closes the connection; waits for what that leaves behind."""
        for items in tuple(self._open):
            with suppress(RuntimeError):  # a thread waits for its next item: it ends with the connection
                await items.aclose()
        await self._client.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, stuck = await asyncio.wait(left, timeout=_ENDING_SECONDS)
            for task in stuck:
                task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
