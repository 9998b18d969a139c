"""Which chunk each found point is: told by its id, or by one reading of those that were never met."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from qdrant_client import grpc as q

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import ChunkKey
from services.retrieval.store.server import hits as server_hits
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import id_base, point_id, split_id, to_values
from services.retrieval.store.server.hits import HitReader

TENANT = "acme"


class StoredChunks(Collection):
    """Points that know their attempt; notes how many were read."""

    def __init__(self, attempts: Sequence[str]) -> None:
        self.attempts = {id_base(TENANT, attempt): attempt for attempt in attempts}
        self.read: list[str] = []

    async def retrieve(
        self,
        ids: Sequence[q.PointId],
        payload: q.WithPayloadSelector | None = None,
        vectors: bool = False,
        consistency: q.ReadConsistency | None = None,
    ) -> Sequence[q.RetrievedPoint]:
        there = [point for point in ids if split_id(point.uuid)[0] in self.attempts]
        self.read += [self.attempts[split_id(point.uuid)[0]] for point in there]
        return [
            q.RetrievedPoint(
                id=point, payload=to_values({"attempt_id": self.attempts[split_id(point.uuid)[0]]})
            )
            for point in there
        ]


def found(*hits: tuple[str, int, float]) -> list[q.ScoredPoint]:
    return [
        q.ScoredPoint(id=point_id(id_base(TENANT, attempt), ordinal), score=score)
        for attempt, ordinal, score in hits
    ]


async def test_hits_keep_their_order_and_each_attempt_is_read_once() -> None:
    one, other = new_attempt_id(), new_attempt_id()
    chunks = StoredChunks([one, other])
    reader = HitReader(chunks)
    expected = {ChunkKey(one, 7): 0.5, ChunkKey(other, 0): 0.25, ChunkKey(one, 300): 0.125}
    for _ in range(2):
        hits = await reader.read(found((one, 7, 0.5), (other, 0, 0.25), (one, 300, 0.125)))
        assert list(hits.items()) == list(expected.items())
    assert sorted(chunks.read) == sorted([one, other])


async def test_attempts_written_by_this_process_are_never_read() -> None:
    attempt = new_attempt_id()
    chunks = StoredChunks([attempt])
    reader = HitReader(chunks)
    reader.remember(TENANT, [attempt])
    assert await reader.read(found((attempt, 1, 0.5))) == {ChunkKey(attempt, 1): 0.5}
    assert chunks.read == []


async def test_points_that_are_gone_before_they_were_ever_met_are_left_out() -> None:
    here, gone = new_attempt_id(), new_attempt_id()
    reader = HitReader(StoredChunks([here]))
    assert await reader.read(found((gone, 0, 0.75), (here, 1, 0.5))) == {ChunkKey(here, 1): 0.5}


async def test_more_attempts_than_are_remembered_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_hits, "_MAX_REMEMBERED", 3)
    attempts = [new_attempt_id() for _ in range(8)]
    reader = HitReader(StoredChunks(attempts))
    for _ in range(2):
        hits = await reader.read(found(*((attempt, 0, 0.5) for attempt in attempts)))
        assert [key.attempt_id for key in hits] == attempts
