"""The best candidates are those there would be if everything were asked of every hit, dead ones or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.model import ChunkKey, DocumentRecord
from services.retrieval.search.candidates import CandidateFinder, Candidates, Wanted
from services.retrieval.search.fusion import Balance, Fusion, MinMax, ReciprocalRank, ranked
from services.retrieval.store.questions import (
    ChunkQuery,
    Completion,
    Leg,
    Legs,
    Missing,
    SparseVector,
)
from tests.contract.retrieval_samples import chunk, direction, record

TENANT = "acme"
BALANCE = Balance(0.55, 0.1)
BELOW_ALL = Balance(0.55, -0.2)
DOCUMENTS = [record(number) for number in range(60)]
LONG_AFTER = DOCUMENTS[0].update_time + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk, the only one of its document."""

    dense: float
    sparse: float
    is_live: bool


STORED = st.builds(
    Stored,
    dense=st.integers(-100, 1000).map(lambda n: n / 1000),
    sparse=st.sampled_from([0.0, 0.0, *(n / 7 for n in range(1, 60))]),
    is_live=st.sampled_from([True, True, True, False]),
)


class MemoryStore:
    """As much of a store as candidates are found in; with `remembers_all`, dead ones were read while live."""

    def __init__(
        self, stored: Collection[Stored], *, is_shared: bool = True, remembers_all: bool = False
    ) -> None:
        self.is_shared = is_shared
        self._remembers_all = remembers_all
        self.chunks = self
        self.completed: list[Missing] = []
        self._live: dict[str, DocumentRecord] = {}
        self._dead: dict[str, DocumentRecord] = {}
        self._dense: dict[ChunkKey, float] = {}
        self._sparse: dict[ChunkKey, float] = {}
        for one, document in zip(stored, DOCUMENTS, strict=False):
            assert document.live is not None
            key = ChunkKey(document.live.attempt_id, 0)
            self._dense[key], self._sparse[key] = one.dense, one.sparse
            (self._live if one.is_live else self._dead)[key.attempt_id] = document

    @property
    def records(self) -> SimpleNamespace:
        return SimpleNamespace(live=self._live_of, still_open=self._still_open)

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        words = {key: score for key, score in self._sparse.items() if score}
        return Legs(self._leg(self._dense, query.depth), self._leg(words, query.depth))

    def _leg(self, scores: Mapping[ChunkKey, float], depth: int) -> Leg:
        order = sorted(scores, key=lambda key: (-scores[key], key))
        return Leg({key: scores[key] for key in order[:depth]}, is_cut=len(order) > depth)

    async def complete(self, tenant: str, query: ChunkQuery, missing: Missing) -> Completion:
        self.completed.append(missing)
        return Completion(
            {key: self._dense[key] for key in missing.dense},
            {key: self._sparse[key] for key in missing.sparse if self._sparse[key]},
            {key: replace(chunk(key.attempt_id, 0), key=key) for key in missing.texts},
        )

    async def _live_of(
        self, tenant: str, attempt_ids: Collection[str], deciding: Collection[str] | None = None
    ) -> Mapping[str, DocumentRecord]:
        found = self._live
        if deciding is not None and self._remembers_all:
            found = found | {name: last for name, last in self._dead.items() if name not in deciding}
        return {name: found[name] for name in attempt_ids if name in found}

    async def _still_open(self, tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        return {}


async def find(
    store: MemoryStore, fusion: Fusion, wanted: Wanted, depth: int, balance: Balance = BALANCE
) -> Candidates:
    finder = CandidateFinder(store, fusion)  # type: ignore[arg-type]  # as much as is used
    query = ChunkQuery(direction(1.0), SparseVector((1,), (1.0,)), depth)
    return await finder.find(TENANT, query, wanted, balance, LONG_AFTER)


@pytest.mark.parametrize("fusion", [MinMax, ReciprocalRank])
@pytest.mark.parametrize("is_shared", [True, False])
@given(st.lists(STORED, min_size=1, max_size=25), st.integers(1, 6))
async def test_the_best_are_those_of_asking_for_everything(
    fusion: Fusion, is_shared: bool, stored: list[Stored], best: int
) -> None:
    depth = 2 * best
    some = await find(MemoryStore(stored, is_shared=is_shared), fusion, Wanted(best, 0, best), depth)
    every = await find(MemoryStore(stored, is_shared=is_shared), fusion, Wanted(best, 0, None), depth)
    first, as_if = ranked(some.fused)[:best], ranked(every.fused)[:best]
    assert [some.fused[key] for key in first] == [pytest.approx(every.fused[key]) for key in as_if]
    assert all(some.dense.get(key) == every.dense.get(key) for key in first)
    assert all(some.sparse.get(key) == every.sparse.get(key) for key in first)


@pytest.mark.parametrize("fusion", [MinMax, ReciprocalRank])
@pytest.mark.parametrize(("balance", "cuts"), [(BALANCE, False), (BELOW_ALL, True)])
@given(st.lists(STORED, min_size=1, max_size=25), st.integers(1, 6))
async def test_dead_ones_that_are_remembered_as_live_change_nothing(
    fusion: Fusion, balance: Balance, cuts: bool, stored: list[Stored], best: int
) -> None:
    """However deep is asked, unless the worst hit is a measure: that of the live ones is another then."""
    depth = 2 * best if cuts else len(stored)
    found = []
    for remembers_all in (True, False):
        store = MemoryStore(stored, remembers_all=remembers_all)
        candidates = await find(store, fusion, Wanted(best, 0, best), depth, balance)
        first = ranked(candidates.fused)[:best]
        found.append([(candidates.fused[key], candidates.dense.get(key), key) for key in first])
    assert found[0] == found[1]


async def test_only_what_may_be_among_the_best_is_asked_for() -> None:
    by_both = [Stored(0.9 - i / 100, 9.0 - i / 10, is_live=True) for i in range(5)]
    by_one = [Stored(0.3, 0.0, is_live=True)] * 5 + [Stored(0.0, 1.0, is_live=True)] * 5
    store = MemoryStore([*by_both, *by_one])
    found = await find(store, MinMax, Wanted(3, 0, 3), 10)
    (missing,) = store.completed
    assert (missing.dense, missing.sparse, len(missing.texts)) == (frozenset(), frozenset(), 3)
    assert found.chunks.keys() == set(ranked(found.fused)[:3])
    assert len(found.fused) == 15


async def test_texts_of_very_many_contenders_are_left_for_later() -> None:
    alike = [Stored(0.5, 1.0, is_live=True)] * 60
    store = MemoryStore(alike)
    found = await find(store, MinMax, Wanted(10, 0, 10), 60)
    assert found.chunks == {}
