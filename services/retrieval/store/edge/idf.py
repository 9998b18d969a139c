"""Inverse document frequencies as Qdrant Edge applies them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge

from services.retrieval.store.edge.space import SPARSE


def probe_idf(shard: edge.EdgeShard, terms: Sequence[int]) -> dict[int, float]:
    """Asks the engine: the best hit for one term alone scores idf times its weight, which is stored."""
    requests = [
        edge.QueryRequest(
            limit=1,
            query=edge.Query.Nearest(edge.SparseVector([term], [1.0]), using=SPARSE),
            with_payload=False,
            with_vector=[SPARSE],
        )
        for term in terms
    ]
    answers = shard.query_batch(edge.QueryBatchRequest(requests))
    unseen = idf_of_unseen(shard.info().points_count)
    found = {}
    for term, points in zip(terms, answers, strict=True):
        found[term] = unseen
        if points:
            vectors: Any = points[0].vector
            weights = dict(zip(vectors[SPARSE].indices, vectors[SPARSE].values, strict=True))
            found[term] = points[0].score / weights[term]
    return found


def idf_of_unseen(points: int) -> float:
    """Qdrant's formula, ln(1 + (N - n + 0.5) / (n + 0.5)), for a term that stands nowhere (n = 0)."""
    return math.log(1 + (points + 0.5) / 0.5)
