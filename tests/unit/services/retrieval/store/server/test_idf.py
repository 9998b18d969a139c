"""What a process remembers of terms: how often it asks an engine that counts, and how exact it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from qdrant_client import grpc as q

from libs.clock import ManualClock
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.idf import IdfCache

COMMON, RARE, UNSEEN = 1, 2, 3
ALL_TERMS = (COMMON, RARE, UNSEEN)


class CountingEngine(Collection):
    """Holds how many chunks there are, and how many have each term; notes which terms it was asked for."""

    def __init__(self) -> None:
        self.name = "chunks"
        self.stored = 1000
        self.holding = {COMMON: 200, RARE: 1}
        self.asked: list[int] = []

    def idf(self, term: int) -> float:
        holding = self.holding.get(term, 0)
        return math.log(1 + (self.stored - holding + 0.5) / (holding + 0.5))

    async def count(self, wanted: q.Filter | None = None, *, exact: bool = True) -> int:
        return self.stored

    async def query(self, requests: Sequence[q.QueryPoints]) -> Sequence[Sequence[q.ScoredPoint]]:
        terms = [request.query.nearest.sparse.indices[0] for request in requests]
        self.asked += terms
        return [[self._best(term)] if self.holding.get(term) else [] for term in terms]

    def _best(self, term: int) -> Any:
        weight = 1.5
        vector = q.VectorOutput(sparse=q.SparseVector(indices=[7, term], values=[0.5, weight]))
        vectors = q.VectorsOutput(vectors=q.NamedVectorsOutput(vectors={"bm25": vector}))
        return q.ScoredPoint(score=self.idf(term) * weight, vectors=vectors)


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cache(engine: CountingEngine, clock: ManualClock) -> IdfCache:
    return IdfCache(engine, clock)


async def asked_for(engine: CountingEngine, cache: IdfCache) -> set[int]:
    """The terms the engine is asked for by one more question with all terms."""
    engine.asked.clear()
    await cache.get(ALL_TERMS)
    return set(engine.asked)


async def test_each_term_has_the_engine_s_idf(engine: CountingEngine, cache: IdfCache) -> None:
    assert await cache.get(ALL_TERMS) == {term: pytest.approx(engine.idf(term)) for term in ALL_TERMS}


async def test_nothing_is_asked_again_for_a_minute_in_a_quiet_store(
    engine: CountingEngine, cache: IdfCache, clock: ManualClock
) -> None:
    assert await asked_for(engine, cache) == set(ALL_TERMS)
    clock.advance(59.0)
    assert await asked_for(engine, cache) == set()
    clock.advance(2.0)
    assert await asked_for(engine, cache) == set(ALL_TERMS)


async def test_one_new_chunk_counts_at_once_for_rare_and_unseen_terms(
    engine: CountingEngine, cache: IdfCache
) -> None:
    await cache.get(ALL_TERMS)
    engine.stored, engine.holding = 1001, {COMMON: 201, RARE: 2, UNSEEN: 1}
    cache.note(1)
    found = await cache.get(ALL_TERMS)
    assert found[RARE] == pytest.approx(engine.idf(RARE))
    assert found[UNSEEN] == pytest.approx(engine.idf(UNSEEN))
    assert found[COMMON] == pytest.approx(engine.idf(COMMON), rel=0.01)


async def test_a_common_term_is_asked_for_when_a_tenth_of_its_chunks_may_have_changed(
    engine: CountingEngine, cache: IdfCache
) -> None:
    await cache.get(ALL_TERMS)
    for chunks in (10, -9):
        cache.note(chunks)
        assert COMMON not in await asked_for(engine, cache)
    cache.note(2)
    assert COMMON in await asked_for(engine, cache)


async def test_what_another_process_writes_is_noticed_within_ten_seconds(
    engine: CountingEngine, cache: IdfCache, clock: ManualClock
) -> None:
    await cache.get(ALL_TERMS)
    engine.stored += 500
    clock.advance(9.0)
    assert await asked_for(engine, cache) == set()
    clock.advance(2.0)
    assert await asked_for(engine, cache) == set(ALL_TERMS)


async def test_a_term_of_a_chunk_written_while_the_engine_was_asked_is_asked_for_again(
    engine: CountingEngine, cache: IdfCache
) -> None:
    probe = await cache.probe(ALL_TERMS)
    answers = await engine.query(probe.requests)
    cache.note(1)
    probe.learn(answers)
    assert await asked_for(engine, cache) == {RARE, UNSEEN}
