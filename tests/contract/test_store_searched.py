"""The best candidates of a store that others change are those of somebody who is sure of every record."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pytest

from services.retrieval.filtering.conditions import Condition, Exists, Filter
from services.retrieval.model import DocumentRecord
from services.retrieval.search.candidates import CandidateFinder, Wanted
from services.retrieval.search.fusion import Balance, MinMax, ranked
from services.retrieval.store.protocol import RecordStore
from services.retrieval.store.questions import ChunkQuery, EmbeddedChunk, SparseVector
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import direction, embedded, next_revision, record
from tests.contract.test_store_races import TENANT, processes

__all__ = ["processes"]

DOCUMENTS = 40
TURNS = 25
# A zero below every cosine: how deep is asked for the sake of dead hits then changes no scale.
BALANCE = Balance(0.55, -1.0)
NO_FILTER = Filter()
OF_ALL = Filter((Condition("source", Exists(wanted=True)),))


@dataclass(frozen=True, slots=True)
class Sure:
    """Records, with nothing left unconfirmed."""

    records: RecordStore

    async def live(
        self,
        tenant: str,
        attempt_ids: Collection[str],
        deciding: Collection[str] | None = None,
    ) -> Mapping[str, DocumentRecord]:
        return await self.records.live(tenant, attempt_ids)

    async def still_open(self, tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        return await self.records.still_open(tenant, attempt_ids)


def chunks_of(document: DocumentRecord, chance: random.Random) -> list[EmbeddedChunk]:
    """Three, each somewhere, some with words of the question."""
    return [
        embedded(
            document.attempt.attempt_id,
            ordinal,
            direction(*(chance.uniform(-0.3, 1.0) for _ in range(4))),
            {term: chance.uniform(0.5, 2.0) for term in (1, 2, 3, 4) if chance.random() < 0.4},
        )
        for ordinal in range(3)
    ]


@pytest.mark.parametrize("wanted", [NO_FILTER, OF_ALL], ids=["all", "filtered"])
async def test_the_best_are_those_of_who_is_sure_of_every_record(
    processes: list[Stores], wanted: Filter
) -> None:
    """One process replaces and deletes; another, which remembers what it read, searches after each change."""
    chance = random.Random(20_26)  # any seed will do; a fixed one can be debugged
    writer, reader = processes[-1], processes[0]
    finder = CandidateFinder(reader, MinMax)
    sure = CandidateFinder(replace(reader, records=Sure(reader.records)), MinMax)  # type: ignore[arg-type]  # as much as is used
    current: dict[int, DocumentRecord] = {}

    async def replace_one(number: int) -> None:
        fresh = record(number)
        await writer.chunks.write(TENANT, chunks_of(fresh, chance))
        former = current.get(number)
        new = next_revision(former, live=fresh.live, attempt=fresh.attempt) if former else fresh
        revision = former.revision if former else None
        assert await writer.records.put(TENANT, new, expected_revision=revision)
        current[number] = new

    for number in range(DOCUMENTS):
        await replace_one(number)
    for turn in range(TURNS):
        for number in chance.sample(range(DOCUMENTS), 2):
            if turn % 3 or number not in current:
                await replace_one(number)
            else:
                gone = current.pop(number)
                assert await writer.records.remove(TENANT, gone.document_id, expected_revision=gone.revision)
        vector = direction(*(chance.uniform(-0.3, 1.0) for _ in range(4)))
        query = ChunkQuery(vector, SparseVector((1, 2), (1.0, 1.0)), chance.choice([8, 20, 200]), wanted)
        best = chance.choice([1, 3, 10])
        for _ in range(20):
            found = await finder.find(TENANT, query, Wanted(best, 0, best), BALANCE, record(0).update_time)
            every = await sure.find(TENANT, query, Wanted(best, 0, None), BALANCE, record(0).update_time)
            # A server that tidies up between the two counts the words of fewer dead chunks.
            if all(
                every.sparse.get(key, score) == pytest.approx(score) for key, score in found.sparse.items()
            ):
                break
        first, as_if = ranked(found.fused)[:best], ranked(every.fused)[:best]
        assert [every.fused[key] for key in first] == [pytest.approx(every.fused[key]) for key in as_if]
        assert [found.fused[key] for key in first] == [pytest.approx(every.fused[key]) for key in first]
        assert [found.dense[key] for key in first] == [pytest.approx(every.dense[key]) for key in first]
        live = {item.attempt.attempt_id: item for item in current.values()}
        shown = [key.attempt_id for key in first]
        assert [found.records[attempt_id] for attempt_id in shown] == [live.get(each) for each in shown]
