"""Reranking is done in time or left out, and the log says why."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest
import structlog

from libs.clock import ManualClock, SystemClock
from libs.rpc.deadlines import Deadline
from services.retrieval.model import Chunk, ChunkKey, Span
from services.retrieval.rerankers.protocol import Candidate, RerankError, RerankQuery
from services.retrieval.search.rerank_stage import RerankStage

QUERY = RerankQuery("acme", "pump")
CANDIDATES = [Candidate(Chunk(ChunkKey("a", i), "d", "x", Span(0, 1, 0, 1)), 1.0) for i in range(2)]


class Reranker:
    """Answers with what it was told, late if told so."""

    minimum_seconds = 0.1
    default_candidates = 50

    def __init__(self, answer: Sequence[float] | Exception, seconds: float = 0.0) -> None:
        self.answer = answer
        self.seconds = seconds
        self.calls = 0

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def stage(reranker: Reranker, timeout_seconds: float = 5.0) -> RerankStage:
    return RerankStage(reranker, candidates=50, timeout_seconds=timeout_seconds, by_default=True)


async def test_scores_come_through() -> None:
    deadline = Deadline.never(SystemClock())
    assert await stage(Reranker([0.5, -3.0])).scores(QUERY, CANDIDATES, deadline) == [0.5, -3.0]


async def test_with_too_little_time_it_is_not_begun() -> None:
    clock = ManualClock()
    reranker = Reranker([1.0, 2.0])
    with structlog.testing.capture_logs() as logs:
        assert await stage(reranker).scores(QUERY, CANDIDATES, Deadline.after(0.11, clock)) is None
    assert reranker.calls == 0
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("rerank_skipped", "deadline")]


async def test_one_that_takes_too_long_is_left() -> None:
    with structlog.testing.capture_logs() as logs:
        slow = stage(Reranker([1.0, 2.0], seconds=30), timeout_seconds=0.12)
        assert await slow.scores(QUERY, CANDIDATES, Deadline.never(SystemClock())) is None
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("rerank_skipped", "timeout")]


@pytest.mark.parametrize(
    "answer", [RerankError("503"), [1.0], [1.0, 2.0, 3.0], [1.0, math.nan], [math.inf, 0.0]]
)
async def test_a_failure_or_a_useless_answer_is_left_out(answer: Sequence[float] | Exception) -> None:
    with structlog.testing.capture_logs() as logs:
        deadline = Deadline.never(SystemClock())
        assert await stage(Reranker(answer)).scores(QUERY, CANDIDATES, deadline) is None
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("rerank_skipped", "failed")]


async def test_the_callers_cancellation_is_not_taken_for_a_timeout() -> None:
    task = asyncio.create_task(
        stage(Reranker([1.0, 2.0], seconds=30)).scores(QUERY, CANDIDATES, Deadline.never(SystemClock()))
    )
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
