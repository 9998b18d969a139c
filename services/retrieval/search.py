"""Passages out: ask the indexes, drop what is not live, fuse, score, fetch the texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from services.retrieval.embedders.protocol import Embedder
from services.retrieval.filters import Filter, predicate
from services.retrieval.fusion import Fuse, ranked
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord
from services.retrieval.scoring import Scorer
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.protocol import ChunkKeys, ChunkQuery, Leg, Stores

MAX_LIMIT = 200
MAX_QUERY_CHARACTERS = 4000

# Candidates of each index: nDCG@10 over four collections is .539 with 50, .545 with 100, 200 and more.
_MIN_DEPTH = 100
# When dead versions crowd out live ones, ask deeper, this many times as deep each time; the last round
# reaches past 25,000 dead chunks, more than any one document leaves behind.
_DEEPER = 4
_MAX_ROUNDS = 5


class Mode(StrEnum):
    """Which index answers."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question."""

    query: str
    """Not blank."""
    limit: int
    """1 to 200."""
    mode: Mode
    filter: Filter
    score_threshold: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that answers, with its document, its absolute score, and what rank and score were made of.

    `dense` is None when meaning was not asked, `sparse` when words were not, or none is common.
    """

    chunk: Chunk
    record: DocumentRecord
    score: float
    dense: float | None
    sparse: float | None
    fused: float


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Live hits with the scores of both indexes, and the documents they belong to."""

    dense: dict[ChunkKey, float]
    sparse: dict[ChunkKey, float]
    records: Mapping[str, DocumentRecord]


class Searcher:
    """Searches one tenant's live versions."""

    def __init__(
        self, stores: Stores, embedder: Embedder, encoder: Bm25Encoder, fuse: Fuse, dense_weight: float
    ) -> None:
        self._chunks = stores.chunks
        self._records = stores.records
        self._embedder = embedder
        self._encoder = encoder
        self._fuse = fuse
        self._dense_weight = dense_weight

    async def search(self, tenant: str, request: SearchRequest) -> list[Passage]:
        """The best passages, best first. Raises EMBEDDER_UNAVAILABLE (not in SPARSE mode)."""
        dense = await self._embedder.embed_query(request.query) if request.mode is not Mode.SPARSE else None
        sparse = self._encoder.query(request.query) if request.mode is not Mode.DENSE else None
        query = ChunkQuery(dense, sparse, max(_MIN_DEPTH, request.limit), request.filter)
        candidates = await self._live_candidates(tenant, query, request.limit)
        await self._complete(tenant, query, candidates)
        idf = await self._chunks.idf(tenant, sparse.indices) if sparse is not None else {}
        return await self._passages(tenant, request, candidates, Scorer(idf))

    async def _live_candidates(self, tenant: str, query: ChunkQuery, limit: int) -> _Candidates:
        passes = predicate(query.filter)
        wanted = max(limit, query.depth // 2)
        for round_number in range(1, _MAX_ROUNDS + 1):
            legs = await self._chunks.search(tenant, query)
            asked = [leg for leg in (legs.dense, legs.sparse) if leg is not None]
            attempts = {hit.key.attempt_id for leg in asked for hit in leg.hits}
            # One reading of the records judges all hits of the round: never two versions of a document.
            live = await self._records.live(tenant, attempts)
            if query.filter:
                live = {attempt_id: record for attempt_id, record in live.items() if passes(record)}
            if round_number == _MAX_ROUNDS or all(_is_enough(leg, live, wanted) for leg in asked):
                break
            query = replace(query, depth=query.depth * _DEEPER)
        return _Candidates(_scores(legs.dense, live), _scores(legs.sparse, live), live)

    async def _complete(self, tenant: str, query: ChunkQuery, candidates: _Candidates) -> None:
        """Has each index score what only the other one found."""
        if query.dense is None or query.sparse is None:
            return
        missing = ChunkKeys(
            dense=frozenset(candidates.sparse.keys() - candidates.dense.keys()),
            sparse=frozenset(candidates.dense.keys() - candidates.sparse.keys()),
        )
        legs = await self._chunks.score(tenant, query, missing)
        candidates.dense.update(legs.dense.hits if legs.dense else ())
        candidates.sparse.update(legs.sparse.hits if legs.sparse else ())

    async def _passages(
        self, tenant: str, request: SearchRequest, candidates: _Candidates, scorer: Scorer
    ) -> list[Passage]:
        # Both indexes have spoken of every candidate; no word in common is a BM25 of 0.
        no_words = None if request.mode is Mode.DENSE else 0.0
        fused = self._fuse(candidates.dense, candidates.sparse, self._dense_weight)
        scores: dict[ChunkKey, float] = {}
        for key in ranked(fused):
            score = scorer.score(candidates.dense.get(key), candidates.sparse.get(key, no_words))
            if score >= request.score_threshold:
                scores[key] = score
                if len(scores) == request.limit:
                    break
        chunks = await self._chunks.fetch(tenant, list(scores))
        return [
            Passage(
                chunk=chunks[key],
                record=candidates.records[key.attempt_id],
                score=score,
                dense=candidates.dense.get(key),
                sparse=candidates.sparse.get(key),
                fused=fused[key],
            )
            for key, score in scores.items()
            if key in chunks  # else deleted while we searched
        ]


def _scores(leg: Leg | None, live: Mapping[str, DocumentRecord]) -> dict[ChunkKey, float]:
    return {key: score for key, score in leg.hits if key.attempt_id in live} if leg else {}


def _is_enough(leg: Leg, live: Mapping[str, DocumentRecord], wanted: int) -> bool:
    return not leg.is_cut or len(_scores(leg, live)) >= wanted
