"""The candidates of a search: live hits of both indexes, enough of them, each scored by both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from services.retrieval.filtering.conditions import predicate
from services.retrieval.model import ChunkKey, DocumentRecord
from services.retrieval.search.live_hits import LiveFinder, found_by_one
from services.retrieval.store.protocol import Stores
from services.retrieval.store.questions import ChunkQuery, Leg

# When dead versions crowd out live ones, ask deeper, this many times as deep each time; the last round
# reaches past 25,000 dead chunks, more than any one document leaves behind.
_DEEPER = 4
_MAX_ROUNDS = 5
# A cap per document may leave too few of them, too; a store with fewer documents than that is not searched to
# its end for it.
_MAX_ROUNDS_FOR_CAP = 3


@dataclass(frozen=True, slots=True)
class Candidates:
    """Live hits with the scores of both indexes, and the documents they belong to."""

    dense: dict[ChunkKey, float]
    sparse: dict[ChunkKey, float]
    records: Mapping[str, DocumentRecord]
    idf: Mapping[int, float]
    """Of the terms of the question."""

    def chunk_counts(self, keys: Iterable[ChunkKey]) -> dict[str, int]:
        """How many chunks the attempt of each of `keys` has."""
        found = {key.attempt_id: self.records[key.attempt_id].live for key in keys}
        return {attempt_id: live.chunk_count for attempt_id, live in found.items() if live}


class CandidateFinder:
    """Finds the candidates of one tenant's searches."""

    def __init__(self, stores: Stores) -> None:
        self._chunks = stores.chunks
        self._finder = LiveFinder(stores.chunks, stores.records, is_shared=stores.is_shared)

    async def find(self, tenant: str, query: ChunkQuery, limit: int, cap: int) -> Candidates:
        """Enough of them for `limit` passages; `cap`: most passages of one document, 0 for any number."""
        passes = predicate(query.filter)
        wanted = max(limit, query.depth // 2)
        for round_number in range(1, _MAX_ROUNDS + 1):
            found = await self._finder.find(tenant, query, with_others=round_number == 1)
            legs, live = found.legs, found.live
            asked = [leg for leg in (legs.dense, legs.sparse) if leg is not None]
            if query.filter:
                live = {attempt_id: record for attempt_id, record in live.items() if passes(record)}
            if round_number == _MAX_ROUNDS or all(_is_enough(leg, live, wanted) for leg in asked):
                capped = cap if round_number < _MAX_ROUNDS_FOR_CAP else 0
                if not capped or any(_fills(leg, live, capped, limit) for leg in asked):
                    break
            query = replace(query, depth=query.depth * _DEEPER)
        candidates = Candidates(_scores(legs.dense, live), _scores(legs.sparse, live), live, legs.idf)
        if query.dense is not None and query.sparse is not None:
            others = found.others or await self._chunks.score(
                tenant, query, found_by_one(candidates.dense.keys(), candidates.sparse.keys())
            )
            candidates.dense.update(_scores(others.dense, live))
            candidates.sparse.update(_scores(others.sparse, live))
        return candidates


def _scores(leg: Leg | None, live: Mapping[str, DocumentRecord]) -> dict[ChunkKey, float]:
    return {key: score for key, score in leg.hits if key.attempt_id in live} if leg else {}


def _is_enough(leg: Leg, live: Mapping[str, DocumentRecord], wanted: int) -> bool:
    return not leg.is_cut or sum(key.attempt_id in live for key, _ in leg.hits) >= wanted


def _fills(leg: Leg, live: Mapping[str, DocumentRecord], cap: int, limit: int) -> bool:
    """Whether there are `limit` hits even when no document gives more than `cap`, or no more to be had."""
    per_attempt = Counter(key.attempt_id for key, _ in leg.hits if key.attempt_id in live)
    return not leg.is_cut or sum(min(cap, count) for count in per_attempt.values()) >= limit
