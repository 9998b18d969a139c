"""How a Qdrant server is asked for the chunks of documents that pass a filter."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qdrant_client import grpc as q

from services.retrieval.store.questions import ChunkQuery, Hits, Leg, leg
from services.retrieval.store.server.connection.points import every, has_one_of, has_text
from services.retrieval.store.server.documents.selection import MAX_NAMED_ATTEMPTS, Selector

# Asked for beyond the expected share when hits are dropped afterwards.
_DEPTH_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask the engine."""

    depth: int
    filter: q.Filter
    keep: frozenset[str] | None = None
    """Of the hits, keep those of these attempts; None keeps all."""
    is_to_be_judged: bool = False
    """Whether the documents of the hits are yet to be looked at."""
    named: frozenset[str] = frozenset()
    """The attempts that `filter` names."""
    chunks: int = 0
    """Of the attempts named."""

    def leg(self, hits: Hits, wanted: int) -> Leg:
        """The first `wanted` hits to keep."""
        return leg(hits, wanted, self.keep, is_cut=len(hits) >= self.depth)


async def planned(selector: Selector, tenant: str, query: ChunkQuery) -> Plan | None:
    """The plan for a question; None when no document passes its filter."""
    if not query.filter:
        return Plan(query.depth, every(has_text("tenant", tenant)))
    selection = await selector.select(tenant, query.filter)
    passing = selection.attempt_ids
    if passing is not None and not passing:
        return None
    if passing is not None and len(passing) <= MAX_NAMED_ATTEMPTS:
        # They are the tenant's own; a second condition would cost as much as the first.
        named = every(has_one_of("attempt_id", passing))
        return Plan(query.depth, named, named=passing, chunks=selection.chunks)
    depth = math.ceil(query.depth / selection.share * _DEPTH_MARGIN)
    return Plan(depth, every(has_text("tenant", tenant)), passing, is_to_be_judged=passing is None)
