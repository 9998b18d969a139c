"""Inverse document frequencies as a Qdrant server applies them.

The engine tells them to nobody, but the best hit for one term alone scores idf times its stored weight.
They are those of the shard the hit comes from, over all tenants of the collection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Group
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.store.remembered import Remembered
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import NONE, SPARSE, sparse_from

# How often the server is asked for the number of chunks, which tells what other processes wrote.
_LOOK_EVERY_SECONDS = 10.0
# A process that takes away as many chunks as another writes would not be noticed.
_KEEP_SECONDS = 60.0
# Chunks that may have come or gone since a term was asked for, as a share of those that hold it: if all of
# them held it, its idf would be off by a tenth. A term of one chunk so counts at once, and so does a new one.
_TOLERANCE = 0.1
_MAX_REMEMBERED_TERMS = 100_000


class _Learned(NamedTuple):
    idf: float
    until: float
    until_changed: float
    """The number of changed chunks up to which it stands."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known of a question's terms, and the requests that bring the rest."""

    requests: Sequence[q.QueryPoints]
    _known: dict[int, float]
    _missing: Sequence[int]
    _learn: Callable[[int, Sequence[q.ScoredPoint]], float]

    def learn(self, answers: Sequence[Sequence[q.ScoredPoint]]) -> Mapping[int, float]:
        """The idf of every term, unseen ones included, given the answers to `requests`."""
        found = zip(self._missing, answers, strict=True)
        return self._known | {term: self._learn(term, points) for term, points in found}


class IdfCache:
    """What was learned of terms, as long as few chunks have changed since."""

    def __init__(self, collection: Collection, clock: Clock) -> None:
        self.collection = collection
        self._clock = clock
        self._learned: Remembered[int, _Learned] = Remembered(_MAX_REMEMBERED_TERMS)
        self._changed = 0
        self._stored = 0
        self._look_again = -math.inf

    def note(self, chunks: int) -> None:
        """Counts chunks that this process wrote, or deleted (negative)."""
        self._changed += abs(chunks)
        self._stored = max(0, self._stored + chunks)

    async def get(self, terms: Group[int]) -> Mapping[int, float]:
        """The idf of each term, unseen ones included."""
        probe = await self.probe(terms)
        return probe.learn(await self.collection.query(probe.requests))

    async def probe(self, terms: Group[int]) -> Probe:
        """What to ask the engine for the idf of `terms`."""
        now = self._clock.monotonic()
        if now >= self._look_again:
            self._look_again = now + _LOOK_EVERY_SECONDS
            before, stored = self._stored, await self.collection.count(exact=False)
            self.note(stored - before)
        known = {
            term: learned.idf
            for term in terms
            if (learned := self._learned.get(term)) is not None
            and learned.until > now
            and learned.until_changed >= self._changed
        }
        missing = [term for term in terms if term not in known]
        requests = [_best_hit(self.collection.name, term) for term in missing]
        return Probe(requests, known, missing, partial(self._learn, self._changed))

    def _learn(self, changed: int, term: int, points: Sequence[q.ScoredPoint]) -> float:
        if points:
            weights = dict(zip(*sparse_from(points[0].vectors, SPARSE), strict=True))
            idf = points[0].score / weights[term]
        else:  # Qdrant's formula, ln(1 + (N - n + 0.5) / (n + 0.5)), for a term that stands nowhere (n = 0)
            idf = math.log(1 + (self._stored + 0.5) / 0.5)
        holding = max(0.0, (self._stored + 1) * math.exp(-idf) - 0.5)  # the same formula, solved for n
        until = self._clock.monotonic() + _KEEP_SECONDS
        self._learned.put({term: _Learned(idf, until, changed + _TOLERANCE * holding)})
        return idf


def _best_hit(collection: str, term: int) -> q.QueryPoints:
    """The query for one term's best hit, with its weights."""
    return q.QueryPoints(
        collection_name=collection,
        query=q.Query(nearest=q.VectorInput(sparse=q.SparseVector(indices=[term], values=[1.0]))),
        using=SPARSE,
        limit=1,
        with_payload=NONE,
        with_vectors=q.WithVectorsSelector(include=q.VectorsSelector(names=[SPARSE])),
    )
