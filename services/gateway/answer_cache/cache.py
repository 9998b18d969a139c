"""The semantic cache as the gateway sees it: asked before a search, offered what came of it.

It helps or it does nothing: when it fails, the question is answered as without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from docuquery.answer.v1.answer_service_pb2 import AppendTurnRequest, GenerationCompleted
from docuquery.common.v1.answer_pb2 import (
    FINISH_REASON_STOP,
    OUTCOME_ANSWERED,
    Usage,
)
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.answer_cache.key import answer_key
from services.gateway.fallback.candidates import Plan
from services.gateway.model import (
    CacheHit,
    QueryResult,
    Question,
    Standalone,
)

log = structlog.get_logger()


class AnswerStore(Protocol):
    """The retrieval service's kept answers. Both methods raise DocuQueryError."""

    async def lookup_answer(
        self, request: retrieval.LookupAnswerRequest, timeout_seconds: float
    ) -> retrieval.LookupAnswerResponse:
        """The answer to a question asked before, and the present corpus revision."""
        ...

    async def store_answer(
        self, request: retrieval.StoreAnswerRequest, timeout_seconds: float
    ) -> retrieval.StoreAnswerResponse:
        """Keeps an answer."""
        ...


class TurnKeeper(Protocol):
    """The answer service's conversations."""

    async def append_turn(self, request: AppendTurnRequest, timeout_seconds: float) -> None:
        """Adds a turn. Raises DocuQueryError."""
        ...


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer that was given before."""

    generation: GenerationCompleted
    """As it was, but for its cost: this time there is none."""
    sources: Sequence[Passage]
    hit: CacheHit


@dataclass(frozen=True, slots=True)
class Ticket:
    """What it takes to offer the answer of a query; made before its search."""

    question: str
    key: bytes
    corpus_revision: str


class AnswerCache:
    """Looks answers up and offers new ones."""

    def __init__(self, store: AnswerStore, turns: TurnKeeper) -> None:
        self._store = store
        self._turns = turns

    async def look_up(
        self, question: Question, standalone: Standalone, plan: Plan, query_id: str, deadline: Deadline
    ) -> Cached | Ticket | None:
        """The answer; or a ticket to offer one with; or None when this question's is not to be kept.

        The turn of an answer that was found has joined the question's conversation.
        """
        if question.no_cache or not standalone.is_self_contained:
            return None
        key = answer_key(question, plan)
        request = retrieval.LookupAnswerRequest(question=standalone.text, key=key)
        try:
            found = await self._store.lookup_answer(request, deadline.slice(cap=budget.CACHE_SECONDS))
            if found.HasField("answer"):
                cached = _cached(found.answer)
                await self._keep_turn(question, cached, query_id, deadline)
                return cached
        except DocuQueryError as error:
            log.warning("answer_not_looked_up", reason=error.reason_name)
            return None
        return Ticket(standalone.text, key, found.corpus_revision) if found.corpus_revision else None

    async def offer(
        self, ticket: Ticket, result: QueryResult, sources: Sequence[Passage], deadline: Deadline
    ) -> None:
        """Has the answer kept if it is good enough to be given again."""
        if not is_worth_keeping(result):
            return
        request = retrieval.StoreAnswerRequest(
            question=ticket.question,
            key=ticket.key,
            corpus_revision=ticket.corpus_revision,
            sources=sources,
            generation=result.generation.SerializeToString(),
        )
        try:
            await self._store.store_answer(request, deadline.slice(cap=budget.CACHE_SECONDS))
        except DocuQueryError as error:
            log.warning("answer_not_kept", reason=error.reason_name)

    async def _keep_turn(self, question: Question, cached: Cached, query_id: str, deadline: Deadline) -> None:
        if question.conversation_id:
            turn = AppendTurnRequest(
                conversation_id=question.conversation_id,
                query_id=query_id,
                question=question.text,
                answer=cached.generation.answer,
                outcome=cached.generation.outcome,
            )
            await self._turns.append_turn(turn, deadline.slice(cap=budget.CACHE_SECONDS))


def is_worth_keeping(result: QueryResult) -> bool:
    """Whether an answer can stand for what a later query would bring.

    It is whole and supported, it was made as configured, and from question and passages alone. A PARTIAL or
    LOW_EVIDENCE one may turn out better the next time, NO_EVIDENCE costs no model.
    """
    generation = result.generation
    return (
        generation.outcome == OUTCOME_ANSWERED
        and generation.finish_reason == FINISH_REASON_STOP
        and generation.history_turn_count == 0
        and not result.degradations
        and not generation.degradations
    )


def _cached(answer: retrieval.StoredAnswer) -> Cached:
    generation = GenerationCompleted.FromString(answer.generation)
    generation.usage.CopyFrom(Usage(cost_micro_usd=0))
    hit = CacheHit(answer.question, answer.similarity, answer.age_seconds)
    return Cached(generation, tuple(answer.sources), hit)
