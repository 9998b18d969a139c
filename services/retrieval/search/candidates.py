"""The candidates of a search: live hits of both indexes, enough of them, and what is to be known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice

from services.retrieval.filtering.conditions import predicate
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord
from services.retrieval.search.fusion import Balance, Fuser, Fusion
from services.retrieval.search.live_hits import LiveFinder, Need
from services.retrieval.store.questions import ChunkQuery, Completion, Hits, Legs, Missing
from services.retrieval.store.stores import Stores

# When dead versions crowd out live ones, ask deeper, this many times as deep each time; the last round
# reaches past 25,000 dead chunks, more than any one document leaves behind.
_DEEPER = 4
_MAX_ROUNDS = 5
# A cap per document may leave too few of them, too; a store with fewer documents than that is not searched to
# its end for it.
_MAX_ROUNDS_FOR_CAP = 3
# Texts of all that may be among the best are fetched with what else is missing, unless they are so many more
# than are wanted.
_MAX_TEXTS_AHEAD = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is asked of the candidates."""

    limit: int
    """Passages."""
    cap: int
    """Most passages of one document, 0 for any number."""
    best: int | None
    """How many of the best to be sure of: what both indexes give those is found out. None: of all."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Live hits with their scores, and the documents they belong to."""

    dense: Hits
    sparse: Hits
    """Each index's score of the hits it found, and of those of the other index that may be among the best."""
    fused: Mapping[ChunkKey, float]
    """Of all of them."""
    chunks: Mapping[ChunkKey, Chunk]
    """Those that were fetched along the way."""
    records: Mapping[str, DocumentRecord]
    idf: Mapping[int, float]
    """Of the terms of the question."""

    def chunk_counts(self, keys: Iterable[ChunkKey]) -> dict[str, int]:
        """How many chunks the attempt of each of `keys` has."""
        found = {key.attempt_id: self.records[key.attempt_id].live for key in keys}
        return {attempt_id: live.chunk_count for attempt_id, live in found.items() if live}


class CandidateFinder:
    """Finds the candidates of one tenant's searches."""

    def __init__(self, stores: Stores, fusion: Fusion) -> None:
        self._chunks = stores.chunks
        self._fusion = fusion
        self._finder = LiveFinder(stores.chunks, stores.records, is_shared=stores.is_shared)

    async def find(
        self, tenant: str, query: ChunkQuery, wanted: Wanted, balance: Balance, began: datetime
    ) -> Candidates:
        """Enough of them for `wanted`. `began`: when the question came."""
        passes = predicate(query.filter)
        enough = max(wanted.limit, query.depth // 2)

        def need_of(legs: Legs, live: AbstractSet[str] | None) -> Need:
            return _need(self._fusion(*_scores(legs, live), balance), legs, live, wanted)

        for round_number in range(1, _MAX_ROUNDS + 1):
            found = await self._finder.find(tenant, query, need_of, began)
            legs, live = found.legs, found.live
            if query.filter:
                live = {attempt_id: record for attempt_id, record in live.items() if passes(record)}
            alive = frozenset(live)
            dense, sparse = _scores(legs, alive)
            asked = [(leg, hits) for leg, hits in ((legs.dense, dense), (legs.sparse, sparse)) if leg]
            if round_number == _MAX_ROUNDS or all(
                not leg.is_cut or len(hits) >= enough for leg, hits in asked
            ):
                cap = wanted.cap if round_number < _MAX_ROUNDS_FOR_CAP else 0
                if not cap or any(not leg.is_cut or _fills(hits, cap, wanted.limit) for leg, hits in asked):
                    break
            query = replace(query, depth=query.depth * _DEEPER)
        fuser = self._fusion(dense, sparse, balance)
        completion = found.completion
        are_all_live = all(len(hits) == len(leg.hits) for leg, hits in asked)
        if found.asked is None or not are_all_live:  # without the dead ones, others may be among the best
            rest = _less(_need(fuser, legs, alive, wanted).missing, found.asked or Missing())
            more = await self._chunks.complete(tenant, query, rest) if rest else Completion()
            completion = _joined(completion, more)
        dense = {**dense, **_live(completion.dense, alive)}
        sparse = {**sparse, **_live(completion.sparse, alive)}
        return Candidates(dense, sparse, fuser.fuse(dense, sparse), completion.chunks, live, legs.idf)


def _need(fuser: Fuser, legs: Legs, live: AbstractSet[str] | None, wanted: Wanted) -> Need:
    """What is to be known, apart from the hits, when those of the attempts `live` (None: all) are live."""
    dense, sparse = _scores(legs, live)
    contenders = dense.keys() | sparse.keys() if wanted.best is None else fuser.contenders(wanted.best)
    are_few = len(contenders) <= wanted.limit + _MAX_TEXTS_AHEAD
    texts = frozenset(contenders) if are_few else frozenset[ChunkKey]()
    # The best of either index, and the worst of the dense one, are the scale the others are measured by.
    ends = chain(islice(dense, 1), [*dense][-1:], islice(sparse, 1))
    deciding = {key.attempt_id for key in chain(contenders, ends)}
    if legs.dense is None or legs.sparse is None:
        return Need(Missing(texts=texts), frozenset(deciding))
    missing = Missing(frozenset(contenders - dense.keys()), frozenset(contenders - sparse.keys()), texts)
    return Need(missing, frozenset(deciding))


def _less(missing: Missing, asked: Missing) -> Missing:
    return Missing(missing.dense - asked.dense, missing.sparse - asked.sparse, missing.texts - asked.texts)


def _joined(one: Completion, other: Completion) -> Completion:
    return Completion(
        {**one.dense, **other.dense}, {**one.sparse, **other.sparse}, {**one.chunks, **other.chunks}
    )


def _scores(legs: Legs, live: AbstractSet[str] | None) -> tuple[Hits, Hits]:
    """What the dense and what the sparse index found, best first; None is as good as all."""
    dense, sparse = (leg.hits if leg else {} for leg in (legs.dense, legs.sparse))
    return (dense, sparse) if live is None else (_live(dense, live), _live(sparse, live))


def _live(hits: Hits, live: AbstractSet[str]) -> dict[ChunkKey, float]:
    return {key: score for key, score in hits.items() if key.attempt_id in live}


def _fills(hits: Hits, cap: int, limit: int) -> bool:
    """Whether there are `limit` of them even when no document gives more than `cap`."""
    per_attempt = Counter(key.attempt_id for key in hits)
    return sum(min(cap, count) for count in per_attempt.values()) >= limit
