"""Hits out of what a Qdrant server found: which chunk each point is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress

from qdrant_client import grpc as q

from services.retrieval.model import ChunkKey
from services.retrieval.store.questions import Hits
from services.retrieval.store.remembered import Remembered
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import BASE_LENGTH, id_base, only, split_id
from services.retrieval.store.server.documents.payloads import text_of

# Bases of ids whose attempts are remembered; a base never changes its attempt.
_MAX_REMEMBERED = 100_000


class HitReader:
    """Tells the attempts of points by their ids: from a table of the bases met, or by one more reading."""

    def __init__(self, chunks: Collection) -> None:
        self._chunks = chunks
        self._attempts: Remembered[str, str] = Remembered(_MAX_REMEMBERED)

    def remember(self, tenant: str, attempt_ids: Iterable[str]) -> None:
        """These attempts have chunks."""
        self._attempts.put({id_base(tenant, attempt_id): attempt_id for attempt_id in attempt_ids})

    async def read(self, points: Sequence[q.ScoredPoint]) -> Hits:
        """The hits, in order; points deleted since they were found are left out if they were not known."""
        uuids, scores = [point.id.uuid for point in points], [point.score for point in points]
        bases, serials = (
            [uuid[:BASE_LENGTH] for uuid in uuids],
            [int(uuid[BASE_LENGTH:], 16) for uuid in uuids],
        )
        attempts: Mapping[str, str] = self._attempts
        unknown = set(bases) - attempts.keys()
        if unknown:
            # What is known now may be forgotten while the rest is read.
            known = {base: attempts[base] for base in bases if base in attempts}
            some_id = {base: point.id for base, point in zip(bases, points, strict=True) if base in unknown}
            attempts = known | await self._learn(list(some_id.values()))
            is_there = [base in attempts for base in bases]
            bases, serials, scores = (list(compress(each, is_there)) for each in (bases, serials, scores))
        # A search reads 200: `_make` takes half the time of ChunkKey's own constructor.
        keys = map(ChunkKey._make, zip([attempts[base] for base in bases], serials, strict=True))
        return dict(zip(keys, scores, strict=True))

    async def _learn(self, ids: Sequence[q.PointId]) -> dict[str, str]:
        points = await self._chunks.retrieve(ids, only("attempt_id"))
        learned = {split_id(point.id.uuid)[0]: text_of(point.payload, "attempt_id") for point in points}
        self._attempts.put(learned)
        return learned
