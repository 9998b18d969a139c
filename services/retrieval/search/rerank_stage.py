"""The rerank stage of a search: within its time, or not at all; a search never fails by it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from libs.rpc.deadlines import Deadline
from services.retrieval.rerankers.protocol import Candidate, Reranker, RerankError, RerankQuery
from services.retrieval.telemetry import RERANK_SKIPPED

log = structlog.get_logger()

_RESERVE_SECONDS = 0.02
"""Left for fetching what is returned and for the way back."""


@dataclass(frozen=True, slots=True)
class RerankStage:
    """A reranker with its limits."""

    reranker: Reranker
    candidates: int
    """How many of the best are looked at; the others follow in the order they have."""
    timeout_seconds: float
    by_default: bool
    """Whether searches that do not say are reranked."""

    async def scores(
        self, query: RerankQuery, candidates: Sequence[Candidate], deadline: Deadline
    ) -> Sequence[float] | None:
        """One score a candidate, higher is better; None when it was skipped (the log says why)."""
        allowed = deadline.slice(cap=self.timeout_seconds, reserve=_RESERVE_SECONDS)
        if allowed < self.reranker.minimum_seconds:
            _skipped("deadline", seconds_left=round(deadline.remaining(), 3))
            return None
        try:
            async with asyncio.timeout(allowed):
                scores = await self.reranker.rerank(query, candidates)
        except TimeoutError:
            _skipped("timeout", seconds_allowed=round(allowed, 3))
            return None
        except RerankError as error:
            _skipped("failed", error=str(error))
            return None
        if len(scores) != len(candidates) or not all(map(math.isfinite, scores)):
            _skipped("failed", error="not one finite score for each passage")
            return None
        return scores


def _skipped(reason: str, **details: object) -> None:
    RERANK_SKIPPED.add(reason)
    log.warning("rerank_skipped", reason=reason, **details)
