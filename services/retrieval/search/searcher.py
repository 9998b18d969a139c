"""Passages out: ask the indexes, drop what is not live, fuse, score, fetch the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from libs.rpc.deadlines import Deadline
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.filtering.conditions import Filter
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord
from services.retrieval.rerankers.protocol import Candidate, RerankQuery
from services.retrieval.search.asking import Asker
from services.retrieval.search.candidates import CandidateFinder, Candidates, Wanted
from services.retrieval.search.expansion import Expander, windows
from services.retrieval.search.fusion import Balance, Fusion, ranked
from services.retrieval.search.rerank_stage import RerankStage
from services.retrieval.search.scoring import Scorer
from services.retrieval.search.unrelated import Unrelated
from services.retrieval.store.questions import ChunkQuery, SparseVector
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder
from services.retrieval.terms.question import NO_TERMS
from services.retrieval.terms.years import with_years

Vector: TypeAlias = NDArray[np.float32]

MAX_LIMIT = 200
MAX_QUERY_CHARACTERS = 4000

# Candidates of each index: nDCG@10 over four collections is .539 with 50, .545 with 100, 200 and more.
_MIN_DEPTH = 100


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
    """The best of the chunks it is made of."""
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
        unrelated: Unrelated,
        encoder: Bm25Encoder,
        fusion: Fusion,
        dense_weight: float,
        rerank_stage: RerankStage,
    ) -> None:
        self._chunks = stores.chunks
        self._candidate_finder = CandidateFinder(stores, fusion)
        self._expander = Expander(stores.chunks, stores.texts)
        self._embedder = embedder
        self._unrelated = unrelated
        self._asker = Asker(stores, encoder)
        self._dense_weight = dense_weight
        self._rerank_stage = rerank_stage

    async def search(self, tenant: str, request: SearchRequest, deadline: Deadline) -> Found:
        """The best passages. Raises EMBEDDER_UNAVAILABLE (not in SPARSE mode).

        Reranking is left out when `deadline` is near or the reranker fails.
        """
        dense = await self._embedder.embed_query(request.query) if request.mode is not Mode.SPARSE else None
        unrelated = await self._unrelated.cosine(deadline) if request.mode is Mode.HYBRID else 0.0
        balance, began = Balance(self._dense_weight, unrelated), deadline.clock.now()
        look_up = partial(self._candidates, tenant, request, dense, balance, began)
        if request.mode is Mode.DENSE:
            terms, candidates = NO_TERMS, await look_up(None)
        else:
            terms, candidates = await self._asker.ask(tenant, with_years(request.query), look_up)
        # Both indexes have spoken of all that may be shown; no word in common is a BM25 of 0.
        no_words = None if request.mode is Mode.DENSE else 0.0
        scorers: dict[str, Scorer] = {}

        def score(key: ChunkKey) -> float:
            # Records are looked at for what is shown only: a shared store parses them when asked.
            language = self._language(candidates.records[key.attempt_id])
            if language not in scorers:
                scorers[language] = Scorer(terms.weighted_idf(language, candidates.idf))
            return scorers[language].score(candidates.dense.get(key), candidates.sparse.get(key, no_words))

        fused = candidates.fused
        order = ranked(fused)
        if request.score_threshold:
            order = [key for key in order if score(key) >= request.score_threshold]
        reranked = await self._reranked(tenant, request, order, candidates, deadline)
        if given := reranked.scores:
            looked_at = sorted(given, key=lambda key: (-given[key], -fused[key], key))
            order = looked_at + [key for key in order if key not in given]
        best = _capped(order, request, candidates.records)
        wanted = windows(best, request.expand_chunks, candidates.chunk_counts(best))
        chunks = await self._expander.fetch(tenant, wanted, {**candidates.chunks, **reranked.chunks})
        passages = [
            Passage(
                chunk=chunks[key],
                record=candidates.records[key.attempt_id],
                # What stands around may fit better: reranking does not go by this score.
                score=max(score(each) for each in window.keys if each in fused),
                dense=candidates.dense.get(key),
                sparse=candidates.sparse.get(key),
                fused=fused[key],
                rerank=reranked.scores.get(key),
            )
            for window in wanted
            if (key := window.key) in chunks  # else deleted while we searched
        ]
        return Found(passages, reranked.skipped)

    async def _candidates(
        self,
        tenant: str,
        request: SearchRequest,
        dense: Vector | None,
        balance: Balance,
        began: datetime,
        sparse: SparseVector | None,
    ) -> Candidates:
        query = ChunkQuery(dense, sparse, max(_MIN_DEPTH, request.limit), request.filter)
        wanted = Wanted(request.limit, request.max_per_document, self._best(request))
        return await self._candidate_finder.find(tenant, query, wanted, balance, began)

    def _best(self, request: SearchRequest) -> int | None:
        """How many of the best a request looks at; None when it may be any number."""
        if request.score_threshold or request.max_per_document or request.expand_chunks:
            return None
        return max(request.limit, self._rerank_stage.candidates if self._is_reranked(request) else 0)

    def _is_reranked(self, request: SearchRequest) -> bool:
        return self._rerank_stage.by_default if request.rerank is None else request.rerank

    def _language(self, record: DocumentRecord) -> str:
        return self._asker.language_of(record.live.language if record.live else "")

    async def _reranked(
        self,
        tenant: str,
        request: SearchRequest,
        order: Sequence[ChunkKey],
        candidates: Candidates,
        deadline: Deadline,
    ) -> _Reranked:
        stage = self._rerank_stage
        best = order[: stage.candidates]
        if not self._is_reranked(request) or not best:
            return _Reranked()
        chunks = dict(candidates.chunks)
        if unknown := [key for key in best if key not in chunks]:
            chunks.update(await self._chunks.fetch(tenant, unknown))
        there = [key for key in best if key in chunks]
        if not there:
            return _Reranked()
        scores = await stage.scores(
            RerankQuery(tenant, with_years(request.query)),
            [Candidate(chunks[key], candidates.fused[key]) for key in there],
            deadline,
        )
        if scores is None:
            return _Reranked(chunks, skipped=True)
        return _Reranked(chunks, dict(zip(there, scores, strict=True)))


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
