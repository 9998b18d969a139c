"""Searching with the ladder's first rungs: hybrid, or words only while the embedder is down."""

from __future__ import annotations

from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import (
    DEGRADATION_KIND_RERANK_SKIPPED,
    DEGRADATION_KIND_SPARSE_ONLY,
)
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_SPARSE
from docuquery.retrieval.v1.retrieval_service_pb2 import SearchRequest, SearchResponse
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway.model import Degraded, Found

_SPARSE_ONLY = Degraded(
    DEGRADATION_KIND_SPARSE_ONLY,
    "The embedder cannot be reached: passages were found by their words only, not by their meaning.",
)
_RERANK_SKIPPED = Degraded(
    DEGRADATION_KIND_RERANK_SKIPPED, "Passages are in the order of the first search: reranking did not run."
)


class Retriever(Protocol):
    """The retrieval service's search."""

    async def search(self, request: SearchRequest, timeout_seconds: float) -> SearchResponse:
        """Searches. Raises DocuQueryError."""
        ...


class Searcher:
    """Searches as well as can be, and says when that is less well than configured."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def search(self, request: SearchRequest, deadline: Deadline) -> Found:
        """Passages, best first, within `deadline`. Raises DocuQueryError.

        While the embedder is down the search is made again by words alone: another embedder would be
        another vector space, and no answer at all is worse.
        """
        asked = request.mode
        try:
            response = await self._retriever.search(request, deadline.remaining())
        except DocuQueryError as error:
            if error.reason != reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE or asked == SEARCH_MODE_SPARSE:
                raise
            by_words = SearchRequest()
            by_words.CopyFrom(request)
            by_words.mode = SEARCH_MODE_SPARSE
            response = await self._retriever.search(by_words, deadline.remaining())
        degradations = []
        if response.mode == SEARCH_MODE_SPARSE and asked != SEARCH_MODE_SPARSE:
            degradations.append(_SPARSE_ONLY)
        if response.rerank_skipped:
            degradations.append(_RERANK_SKIPPED)
        return Found(tuple(response.passages), tuple(degradations))
