"""A collection's queries asked by Search: what comes back, in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import grpc

from docuquery.common.v1.answer_pb2 import DegradationKind
from docuquery.common.v1.passage_pb2 import Passage, SearchMode
from docuquery.gateway.v1.docuquery_service_pb2 import SearchResponse
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.asking import for_each, retrying, timed
from docuquery_client.names import enum_name

Item = TypeVar("Item")
"""What is read from a passage or from several: a document, or pages."""


class Query(Protocol):
    """A question of a collection."""

    @property
    def id(self) -> str:
        """Its name in the collection."""
        ...

    @property
    def text(self) -> str:
        """What is asked."""
        ...


@dataclass(slots=True)
class Rankings(Generic[Item]):
    """What a server found in one mode."""

    rankings: dict[str, tuple[Item, ...]] = field(default_factory=dict)
    """What was read from the passages, best first, by query id. Empty for a query the server refused."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each reply took, by query id; missing for a query the server refused."""
    refused: dict[str, ApiError] = field(default_factory=dict)
    """Queries the server does not take (too long, for example), by id."""
    degraded: Counter[str] = field(default_factory=Counter)
    """How many searches were made less well than configured, by the kind of that."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a query is asked."""

    mode: SearchMode.ValueType
    limit: int
    rerank: bool | None
    """None: as the server is set."""


async def rank(
    client: AsyncDocuQuery,
    queries: Sequence[Query],
    read: Callable[[Iterable[Passage]], tuple[Item, ...]],
    options: SearchOptions,
    *,
    concurrency: int,
    on_finished: Callable[[], None],
) -> Rankings[Item]:
    """Asks every query, `concurrency` at a time. Raises ApiError when the server cannot answer."""
    found = Rankings[Item]()

    def search(query: Query) -> Awaitable[SearchResponse]:
        return client.search(
            query.text,
            limit=options.limit,
            mode=options.mode,
            rerank=options.rerank,
            score_threshold=0.0,
        )

    async def ask(query: Query) -> None:
        try:
            reply, seconds = await retrying(lambda: timed(lambda: search(query)))
        except ApiError as error:
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            found.refused[query.id] = error
            found.rankings[query.id] = ()
        else:
            found.rankings[query.id] = read(reply.passages)
            found.seconds[query.id] = seconds
            found.degraded.update({enum_name(DegradationKind, each.kind) for each in reply.degradations})
        on_finished()

    await for_each(queries, ask, concurrency)
    return found
