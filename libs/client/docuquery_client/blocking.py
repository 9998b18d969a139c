"""The client for code without an event loop: every method of AsyncDocuQuery, run on a loop of its own."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from docuquery_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_SECONDS, AsyncDocuQuery
from docuquery_client.loop_thread import LoopThread
from docuquery_client.resume import upload_resuming
from docuquery_client.tls import Tls

P = ParamSpec("P")
R = TypeVar("R")


def _blocking(
    method: Callable[Concatenate[AsyncDocuQuery, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[DocuQuery, P], R]:
    """`method` as one that waits for its result; same arguments, same documentation."""

    @functools.wraps(method)
    def call(self: DocuQuery, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.run(method(self._client, *args, **kwargs))

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
            while (item := self._thread.run(following())) is not ended:
                yield item  # type: ignore[misc] # `following` returns R or the sentinel just excluded
        finally:
            self._open.discard(items)
            if not self._thread.fault:  # a client that is closed has ended it
                self._thread.run(_awaited(items.aclose()))

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
        self._open: set[AsyncGenerator[Any, None]] = set()
        self._thread = LoopThread("docuquery-client")

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

    def close(self) -> None:
        """Ends calls and streams under way, and closes the connection. Later calls raise RuntimeError."""
        self._thread.close(self._end())

    async def _end(self) -> None:
        for items in tuple(self._open):
            with suppress(RuntimeError):  # a thread waits for its next item: it ends with the connection
                await items.aclose()
        await self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
