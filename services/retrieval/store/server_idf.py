"""Inverse document frequencies as a Qdrant server applies them.

The engine tells them to nobody, but the best hit for one term alone scores idf times its stored weight.
They are those of the shard the hit comes from, over all tenants of the collection.
"""

from __future__ import annotations

import math
from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.store.server_collections import Collection
from services.retrieval.store.server_points import NONE, SPARSE, sparse_from

# How old an idf may be when other processes write; what this one writes counts at once.
_KEEP_SECONDS = 10.0
_MAX_REMEMBERED_TERMS = 100_000


def idf_probe(collection: str, term: int) -> q.QueryPoints:
    """The query for one term's best hit, with its weights."""
    return q.QueryPoints(
        collection_name=collection,
        query=q.Query(nearest=q.VectorInput(sparse=q.SparseVector(indices=[term], values=[1.0]))),
        using=SPARSE,
        limit=1,
        with_payload=NONE,
        with_vectors=q.WithVectorsSelector(include=q.VectorsSelector(names=[SPARSE])),
    )


@dataclass(slots=True)
class _Known:
    expires: float
    idf: dict[int, float] = field(default_factory=dict)


class IdfCache:
    """What was learned of each tenant's terms in the last seconds."""

    def __init__(self, collection: Collection, clock: Clock) -> None:
        self._collection = collection
        self._clock = clock
        self._tenants: dict[str, _Known] = {}

    def forget(self, tenant: str) -> None:
        """The tenant's chunks have changed."""
        self._tenants.pop(tenant, None)

    def unknown(self, tenant: str, terms: Group[int]) -> list[int]:
        """Those of `terms` the engine must be asked for."""
        known = self._known(tenant)
        return [term for term in terms if term not in known]

    async def get(self, tenant: str, terms: Group[int]) -> Mapping[int, float]:
        """The idf of each term, unseen ones included."""
        known = self._known(tenant)
        found = {term: known[term] for term in terms if term in known}
        missing = [term for term in terms if term not in found]
        if missing:
            name = self._collection.name
            probes = [idf_probe(name, term) for term in missing]
            batch = q.QueryBatchPoints(collection_name=name, query_points=probes)
            reply = await self._collection.nodes.points("QueryBatch", batch)
            found |= await self.learn(tenant, missing, [answer.result for answer in reply.result])
        return found

    async def learn(
        self, tenant: str, terms: Sequence[int], answers: Sequence[Sequence[q.ScoredPoint]]
    ) -> Mapping[int, float]:
        """Keeps what the engine answered to the probes of `terms`, and returns it."""
        learned: dict[int, float] = {}
        for term, points in zip(terms, answers, strict=True):
            if points:
                weights = dict(zip(*sparse_from(points[0].vectors, SPARSE), strict=True))
                learned[term] = points[0].score / weights[term]
        unseen = [term for term in terms if term not in learned]
        if unseen:
            # Qdrant's formula, ln(1 + (N - n + 0.5) / (n + 0.5)), for a term that stands nowhere (n = 0).
            stored = await self._collection.count(exact=False)
            learned |= dict.fromkeys(unseen, math.log(1 + (stored + 0.5) / 0.5))
        known = self._known(tenant)
        if len(known) + len(learned) > _MAX_REMEMBERED_TERMS:
            known.clear()
        known.update(learned)
        return learned

    def _known(self, tenant: str) -> dict[int, float]:
        now = self._clock.monotonic()
        known = self._tenants.get(tenant)
        if known is None or known.expires <= now:
            self._tenants = {name: kept for name, kept in self._tenants.items() if kept.expires > now}
            known = self._tenants[tenant] = _Known(now + _KEEP_SECONDS)
        return known.idf
