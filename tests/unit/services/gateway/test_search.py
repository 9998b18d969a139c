"""Searching, and what is said when it is done less well than configured."""

from __future__ import annotations

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import DEGRADATION_KIND_RERANK_SKIPPED, DEGRADATION_KIND_SPARSE_ONLY
from docuquery.common.v1.passage_pb2 import (
    SEARCH_MODE_DENSE,
    SEARCH_MODE_HYBRID,
    SEARCH_MODE_SPARSE,
    Passage,
    SearchMode,
)
from docuquery.retrieval.v1.retrieval_service_pb2 import SearchRequest, SearchResponse
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway.model import Found
from services.gateway.search import Searcher


class Retriever:
    """Finds one passage, unless it needs an embedder that is down; each search takes a second."""

    def __init__(self, clock: ManualClock, error: DocuQueryError | None = None, rerank_skipped: bool = False):
        self.clock = clock
        self.error = error
        self.rerank_skipped = rerank_skipped
        self.requests: list[tuple[SearchRequest, float]] = []

    async def search(self, request: SearchRequest, timeout_seconds: float) -> SearchResponse:
        self.requests.append((request, timeout_seconds))
        self.clock.advance(1)
        if self.error is not None and request.mode != SEARCH_MODE_SPARSE:
            raise self.error
        return SearchResponse(
            passages=[Passage(chunk_id="c1")], mode=request.mode, rerank_skipped=self.rerank_skipped
        )


EMBEDDER_DOWN = DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "The embedder is down.")


async def search(retriever: Retriever, mode: SearchMode.ValueType) -> Found:
    deadline = Deadline.after(10, retriever.clock)
    request = SearchRequest(query="sick leave", limit=5, mode=mode, score_threshold=0.2)
    return await Searcher(retriever).search(request, deadline)


async def test_a_search_brings_passages_and_nothing_to_excuse() -> None:
    found = await search(Retriever(ManualClock()), SEARCH_MODE_HYBRID)
    assert [passage.chunk_id for passage in found.passages] == ["c1"]
    assert found.degradations == ()


@pytest.mark.parametrize("mode", [SEARCH_MODE_HYBRID, SEARCH_MODE_DENSE])
async def test_while_the_embedder_is_down_it_asks_again_by_words_and_says_so(
    mode: SearchMode.ValueType,
) -> None:
    retriever = Retriever(ManualClock(), EMBEDDER_DOWN)
    found = await search(retriever, mode)
    assert [d.kind for d in found.degradations] == [DEGRADATION_KIND_SPARSE_ONLY]
    (first, first_seconds), (second, second_seconds) = retriever.requests
    assert (first.mode, second.mode) == (mode, SEARCH_MODE_SPARSE)
    assert (second.query, second.limit, second.score_threshold) == ("sick leave", 5, 0.2)
    assert (first_seconds, second_seconds) == (10, 9), "both within one deadline"


async def test_who_asked_for_words_gets_words_and_no_excuse() -> None:
    assert (await search(Retriever(ManualClock(), EMBEDDER_DOWN), SEARCH_MODE_SPARSE)).degradations == ()


async def test_other_failures_are_not_hidden() -> None:
    down = DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "The store is down.")
    with pytest.raises(DocuQueryError) as error:
        await search(Retriever(ManualClock(), down), SEARCH_MODE_HYBRID)
    assert error.value is down


async def test_skipped_reranking_is_said() -> None:
    found = await search(Retriever(ManualClock(), rerank_skipped=True), SEARCH_MODE_HYBRID)
    assert [d.kind for d in found.degradations] == [DEGRADATION_KIND_RERANK_SKIPPED]
