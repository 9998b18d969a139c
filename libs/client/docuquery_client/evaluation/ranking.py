"""A collection's queries asked by Search: which documents come back, in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from docuquery.common.v1.answer_pb2 import DegradationKind
from docuquery.common.v1.passage_pb2 import Passage, SearchMode
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.asking import for_each, retrying
from docuquery_client.evaluation.beir import JudgedQuery
from docuquery_client.names import enum_name

PASSAGES_PER_QUERY = 200
"""All the contract gives. A document has several passages, so fewer documents come back than these, and a
recall among the first 100 cannot be better than that allows."""


@dataclass(slots=True)
class Rankings:
    """What a server found in one mode."""

    rankings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Document ids, best first, by query id. Empty for a query the server refused."""
    refused: dict[str, ApiError] = field(default_factory=dict)
    """Queries the server does not take (too long, for example), by id."""
    degraded: Counter[str] = field(default_factory=Counter)
    """How many searches were made less well than configured, by the kind of that."""

    @property
    def mean_documents(self) -> float:
        """Distinct documents that came back for a query, on average."""
        return sum(map(len, self.rankings.values())) / len(self.rankings) if self.rankings else 0.0


def document_ranking(passages: Iterable[Passage], ids: Mapping[str, str]) -> tuple[str, ...]:
    """The documents in the order of their best passages.

    `ids` names the collection's documents by source; passages of others are passed over, so that a store
    may hold more than the collection.
    """
    return tuple(dict.fromkeys(ids[passage.source] for passage in passages if passage.source in ids))


async def rank(
    client: AsyncDocuQuery,
    queries: Sequence[JudgedQuery],
    ids: Mapping[str, str],
    mode: SearchMode.ValueType,
    *,
    concurrency: int,
    on_finished: Callable[[], None],
) -> Rankings:
    """Asks every query, `concurrency` at a time. Raises ApiError when the server cannot answer."""
    found = Rankings()

    async def ask(query: JudgedQuery) -> None:
        try:
            reply = await retrying(
                lambda: client.search(query.text, limit=PASSAGES_PER_QUERY, mode=mode, score_threshold=0.0)
            )
        except ApiError as error:
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            found.refused[query.id] = error
            found.rankings[query.id] = ()
        else:
            found.rankings[query.id] = document_ranking(reply.passages, ids)
            found.degraded.update({enum_name(DegradationKind, each.kind) for each in reply.degradations})
        on_finished()

    await for_each(queries, ask, concurrency)
    return found
