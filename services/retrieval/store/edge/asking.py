"""How Qdrant Edge is asked for chunks."""

from __future__ import annotations

import math
from collections.abc import Collection, Set
from dataclasses import dataclass

import qdrant_edge as edge

from services.retrieval.model import ChunkKey
from services.retrieval.store.edge.engine import engine_errors
from services.retrieval.store.edge.points import to_edge
from services.retrieval.store.edge.slots import point_id
from services.retrieval.store.edge.space import DENSE, SPARSE
from services.retrieval.store.edge.tenant import EdgeTenant
from services.retrieval.store.questions import ChunkQuery, Hits, Leg, leg

# Naming the attempts in the engine's filter costs about 4.4 µs each in a hybrid query; beyond this many it
# is cheaper to ask for more hits and drop those that do not pass (measured at 100,000 chunks).
_MAX_NAMED_ATTEMPTS = 1000
# Asked for beyond the expected share when hits are dropped afterwards.
_DEPTH_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask the engine."""

    depth: int
    filter: edge.Filter | None = None
    keep: Set[str] | None = None
    """Of the hits, keep those of these attempts; None keeps all."""

    def leg(self, hits: Hits, wanted: int) -> Leg:
        """The first `wanted` hits to keep."""
        return leg(hits, wanted, self.keep, is_cut=len(hits) >= self.depth)


def planned(opened: EdgeTenant, place: str, query: ChunkQuery) -> Plan | None:
    """The plan for a question; None when no document passes its filter."""
    if not query.filter:
        return Plan(query.depth)
    selection = opened.catalogue.select(query.filter)
    passing = selection.attempt_ids
    if not passing:
        return None
    if len(passing) <= _MAX_NAMED_ATTEMPTS:
        named = edge.FieldCondition("attempt_id", match=edge.MatchAny(sorted(passing)))
        return Plan(query.depth, edge.Filter(must=[named]))
    stored = opened.space(place).count
    expected = query.depth * stored / selection.chunk_count
    return Plan(min(stored, math.ceil(expected * _DEPTH_MARGIN)), keep=passing)


def requests_of(
    query: ChunkQuery, limit: int, dense_filter: edge.Filter | None, sparse_filter: edge.Filter | None
) -> tuple[edge.QueryRequest | None, edge.QueryRequest | None]:
    """The questions to the dense and to the sparse index; None for one that is not asked."""

    def request(vector: edge.Query, wanted: edge.Filter | None) -> edge.QueryRequest:
        return edge.QueryRequest(
            limit=limit, query=vector, filter=wanted, with_payload=False, with_vector=False
        )

    dense, sparse = query.dense, query.sparse
    return (
        None if dense is None else request(edge.Query.Nearest(dense.tolist(), using=DENSE), dense_filter),
        None if sparse is None else request(edge.Query.Nearest(to_edge(sparse), using=SPARSE), sparse_filter),
    )


def ask(
    shard: edge.EdgeShard,
    requests: tuple[edge.QueryRequest | None, edge.QueryRequest | None],
    operation: str,
) -> tuple[list[edge.ScoredPoint] | None, list[edge.ScoredPoint] | None]:
    """Both questions in one batch; None for the one that was not asked."""
    asked = [request for request in requests if request is not None]
    if not asked:
        return None, None
    with engine_errors(operation):
        answers = iter(shard.query_batch(edge.QueryBatchRequest(asked)))
    dense, sparse = requests
    return (None if dense is None else next(answers), None if sparse is None else next(answers))


def one_of(keys: Collection[ChunkKey]) -> edge.Filter:
    """It is one of these chunks."""
    return edge.Filter(must=[edge.HasIdCondition(set(map(point_id, keys)))])
