"""Passages out: ask the indexes, drop what is not live, fuse, score, fetch the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from libs.rpc.deadlines import Deadline
from services.retrieval.asking import Asker
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.expansion import Expander, windows
from services.retrieval.filters import Filter, predicate
from services.retrieval.fusion import Fuse, ranked
from services.retrieval.live_hits import find_live
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord
from services.retrieval.question_terms import NO_TERMS
from services.retrieval.question_years import with_years
from services.retrieval.rerank_stage import RerankStage
from services.retrieval.rerankers.protocol import Candidate, RerankQuery
from services.retrieval.scoring import Scorer
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.protocol import ChunkKeys, ChunkQuery, Leg, SparseVector, Stores

Vector: TypeAlias = NDArray[np.float32]

MAX_LIMIT = 200
MAX_QUERY_CHARACTERS = 4000

# Candidates of each index: nDCG@10 over four collections is .539 with 50, .545 with 100, 200 and more.
_MIN_DEPTH = 100
# When dead versions crowd out live ones, ask deeper, this many times as deep each time; the last round
# reaches past 25,000 dead chunks, more than any one document leaves behind.
_DEEPER = 4
_MAX_ROUNDS = 5
# A cap per document may leave too few of them, too; a store with fewer documents than that is not searched to
# its end for it.
_MAX_ROUNDS_FOR_CAP = 3


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
    rerank: bool | None = None
    """Whether to order the best once more; None is what the service is set to."""
    max_per_document: int = 0
    """Most passages of one document; 0 is no cap."""
    expand_chunks: int = 0
    """Chunks before and after each that are returned with it, 0 to 3."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that answers, with its document, its absolute score, and what rank and score were made of.

    `dense` is None when meaning was not asked, `sparse` when words were not, or none is common, `rerank`
    when the reranker did not look at it.
    """

    chunk: Chunk
    """Expanded by its neighbours when the request says so; its key is that of the chunk found."""
    record: DocumentRecord
    score: float
    dense: float | None
    sparse: float | None
    fused: float
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought."""

    passages: Sequence[Passage]
    """Best first."""
    rerank_skipped: bool = False
    """Whether the passages should have been reranked but were not."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Live hits with the scores of both indexes, and the documents they belong to."""

    dense: dict[ChunkKey, float]
    sparse: dict[ChunkKey, float]
    records: Mapping[str, DocumentRecord]

    @property
    def chunk_counts(self) -> dict[str, int]:
        """How many chunks each live attempt has."""
        return {attempt_id: r.live.chunk_count for attempt_id, r in self.records.items() if r.live}


@dataclass(frozen=True, slots=True)
class _Reranked:
    """What became of the rerank stage."""

    chunks: Mapping[ChunkKey, Chunk] = field(default_factory=dict)
    """Those it looked at."""
    scores: Mapping[ChunkKey, float] = field(default_factory=dict)
    """Empty when it did not run."""
    skipped: bool = False


class Searcher:
    """Searches one tenant's live versions."""

    def __init__(
        self,
        stores: Stores,
        embedder: Embedder,
        encoder: Bm25Encoder,
        fuse: Fuse,
        dense_weight: float,
        rerank_stage: RerankStage,
    ) -> None:
        self._chunks = stores.chunks
        self._stores = stores
        self._expander = Expander(stores.chunks, stores.texts)
        self._embedder = embedder
        self._asker = Asker(stores, encoder)
        self._fuse = fuse
        self._dense_weight = dense_weight
        self._rerank_stage = rerank_stage

    async def search(self, tenant: str, request: SearchRequest, deadline: Deadline) -> Found:
        """The best passages. Raises EMBEDDER_UNAVAILABLE (not in SPARSE mode).

        Reranking is left out when `deadline` is near or the reranker fails.
        """
        dense = await self._embedder.embed_query(request.query) if request.mode is not Mode.SPARSE else None
        if request.mode is Mode.DENSE:
            terms, candidates = NO_TERMS, await self._candidates(tenant, request, dense, None)
        else:
            look_up = partial(self._candidates, tenant, request, dense)
            terms, candidates = await self._asker.ask(tenant, with_years(request.query), look_up)
        idf = await self._chunks.idf(tenant, terms.vector.indices)
        # Both indexes have spoken of every candidate; no word in common is a BM25 of 0.
        no_words = None if request.mode is Mode.DENSE else 0.0
        scorers = {
            language: Scorer(terms.weighted_idf(language, idf))
            for language in {self._language(record) for record in candidates.records.values()}
        }

        def score(key: ChunkKey) -> float:
            scorer = scorers[self._language(candidates.records[key.attempt_id])]
            return scorer.score(candidates.dense.get(key), candidates.sparse.get(key, no_words))

        fused = self._fuse(candidates.dense, candidates.sparse, self._dense_weight)
        order = ranked(fused)
        if request.score_threshold:
            order = [key for key in order if score(key) >= request.score_threshold]
        reranked = await self._reranked(tenant, request, order, fused, deadline)
        if given := reranked.scores:
            looked_at = sorted(given, key=lambda key: (-given[key], -fused[key], key))
            order = looked_at + [key for key in order if key not in given]
        wanted = windows(
            _capped(order, request, candidates.records), request.expand_chunks, candidates.chunk_counts
        )
        chunks = await self._expander.fetch(tenant, wanted, reranked.chunks)
        passages = [
            Passage(
                chunk=chunks[key],
                record=candidates.records[key.attempt_id],
                score=score(key),
                dense=candidates.dense.get(key),
                sparse=candidates.sparse.get(key),
                fused=fused[key],
                rerank=reranked.scores.get(key),
            )
            for key in (window.key for window in wanted)
            if key in chunks  # else deleted while we searched
        ]
        return Found(passages, reranked.skipped)

    async def _candidates(
        self, tenant: str, request: SearchRequest, dense: Vector | None, sparse: SparseVector | None
    ) -> _Candidates:
        query = ChunkQuery(dense, sparse, max(_MIN_DEPTH, request.limit), request.filter)
        candidates = await self._live_candidates(tenant, query, request)
        await self._complete(tenant, query, candidates)
        return candidates

    def _language(self, record: DocumentRecord) -> str:
        return self._asker.language_of(record.live.language if record.live else "")

    async def _live_candidates(self, tenant: str, query: ChunkQuery, request: SearchRequest) -> _Candidates:
        passes = predicate(query.filter)
        wanted = max(request.limit, query.depth // 2)
        for round_number in range(1, _MAX_ROUNDS + 1):
            found = await find_live(self._stores, tenant, query)
            legs, live = found.legs, found.live
            asked = [leg for leg in (legs.dense, legs.sparse) if leg is not None]
            if query.filter:
                live = {attempt_id: record for attempt_id, record in live.items() if passes(record)}
            if round_number == _MAX_ROUNDS or all(_is_enough(leg, live, wanted) for leg in asked):
                cap = request.max_per_document if round_number < _MAX_ROUNDS_FOR_CAP else 0
                if not cap or any(_fills(leg, live, cap, request.limit) for leg in asked):
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

    async def _reranked(
        self,
        tenant: str,
        request: SearchRequest,
        order: Sequence[ChunkKey],
        fused: Mapping[ChunkKey, float],
        deadline: Deadline,
    ) -> _Reranked:
        stage = self._rerank_stage
        wanted = stage.by_default if request.rerank is None else request.rerank
        best = order[: stage.candidates]
        if not wanted or not best:
            return _Reranked()
        chunks = await self._chunks.fetch(tenant, best)
        there = [key for key in best if key in chunks]
        if not there:
            return _Reranked()
        scores = await stage.scores(
            RerankQuery(tenant, with_years(request.query)),
            [Candidate(chunks[key], fused[key]) for key in there],
            deadline,
        )
        if scores is None:
            return _Reranked(chunks, skipped=True)
        return _Reranked(chunks, dict(zip(there, scores, strict=True)))


def _scores(leg: Leg | None, live: Mapping[str, DocumentRecord]) -> dict[ChunkKey, float]:
    return {key: score for key, score in leg.hits if key.attempt_id in live} if leg else {}


def _is_enough(leg: Leg, live: Mapping[str, DocumentRecord], wanted: int) -> bool:
    return not leg.is_cut or sum(key.attempt_id in live for key, _ in leg.hits) >= wanted


def _fills(leg: Leg, live: Mapping[str, DocumentRecord], cap: int, limit: int) -> bool:
    """Whether there are `limit` hits even when no document gives more than `cap`, or no more to be had."""
    per_attempt = Counter(key.attempt_id for key, _ in leg.hits if key.attempt_id in live)
    return not leg.is_cut or sum(min(cap, count) for count in per_attempt.values()) >= limit


def _capped(
    order: Sequence[ChunkKey], request: SearchRequest, records: Mapping[str, DocumentRecord]
) -> list[ChunkKey]:
    """The first `limit`, without those beyond the cap of their document."""
    if not request.max_per_document:
        return list(order[: request.limit])
    taken: Counter[str] = Counter()
    kept = []
    for key in order:
        document = records[key.attempt_id].document_id
        if taken[document] < request.max_per_document:
            taken[document] += 1
            kept.append(key)
            if len(kept) == request.limit:
                break
    return kept
