"""Deleting many documents: those a listing gives, several at a time, with patience for a busy server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

import grpc

from docuquery.common.v1.document_pb2 import Document
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.resume import RetryPolicy

AT_ONCE = 8
"""Deletions under way at a time: enough to hide the way to the server, few beside what others may have."""

_OF_EVERY_CALL = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
)
_GONE = "DOCUMENT_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Listed:
    """A document that is to be deleted; what of it is worth keeping when there are very many."""

    document_id: str
    source: str
    chunk_count: int


@dataclass(slots=True)
class Deletions:
    """What has become of them so far."""

    deleted: int = 0
    chunks: int = 0
    """That went with those."""
    gone: int = 0
    """Documents that others deleted in between."""
    failures: list[tuple[Listed, ApiError]] = field(default_factory=list)
    """Documents the server would not delete, and why; the others went on."""


async def collect(documents: AsyncGenerator[Document, None]) -> list[Listed]:
    """All of a listing, before any of it changes by what is done to it. Raises ApiError."""
    async with aclosing(documents) as listing:
        return [Listed(one.document_id, one.source, one.chunk_count) async for one in listing]


async def delete_all(
    client: AsyncDocuQuery,
    documents: Iterable[Listed],
    done: Deletions,
    *,
    on_progress: Callable[[], None] = lambda: None,
    policy: RetryPolicy | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Deletes documents and counts them in `done`, which is right also when this ends early.

    What may succeed later is tried again as `policy` says. Raises ApiError when it still fails then, and
    for what the next document would fail of as well (a key without the right); others are counted.
    """
    policy, waiting = policy or RetryPolicy(), iter(documents)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_delete_from(client, waiting, done, on_progress, policy, sleep))
    except* ApiError as several:
        raise _first(several) from None


async def _delete_from(
    client: AsyncDocuQuery,
    waiting: Iterator[Listed],
    done: Deletions,
    on_progress: Callable[[], None],
    policy: RetryPolicy,
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    for document in waiting:
        try:
            chunks = await _delete(client, document.document_id, policy, sleep)
        except ApiError as error:
            if error.reason == _GONE:
                done.gone += 1
            elif error.retryable or error.code in _OF_EVERY_CALL:
                raise
            else:
                done.failures.append((document, error))
        else:
            done.chunks += chunks
            done.deleted += 1
        on_progress()


async def _delete(
    client: AsyncDocuQuery,
    document_id: str,
    policy: RetryPolicy,
    sleep: Callable[[float], Awaitable[None]],
) -> int:
    tries = 0
    while True:
        try:
            return (await client.delete_document(document_id)).deleted_chunk_count
        except ApiError as error:
            tries += 1
            if not error.retryable or tries >= policy.max_stalled_rounds:
                raise
            await sleep(policy.delay_seconds(tries, error.retry_after_seconds, jitter=0))


def _first(several: ExceptionGroup[ApiError]) -> ApiError:
    found = several.exceptions[0]
    return _first(found) if isinstance(found, ExceptionGroup) else found
