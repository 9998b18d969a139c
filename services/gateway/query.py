"""One question from arrival to its checked answer: rewrite, retrieve once, ask providers, sum up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from docuquery.answer.v1.answer_service_pb2 import GenerateRequest, GenerationCompleted
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import (
    DEGRADATION_KIND_EXTRACTIVE_ONLY,
    DEGRADATION_KIND_PROVIDER_FALLBACK,
    Outcome,
)
from libs.clock import Clock
from libs.errors import reason_name
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.answer_cache.cache import AnswerCache, Cached
from services.gateway.answer_cache.replay import replayed
from services.gateway.convert import generate_request, search_request
from services.gateway.fallback.attempt import EventStream
from services.gateway.fallback.candidates import Candidate, Plan, make_plan
from services.gateway.fallback.exhausted import out_of_time
from services.gateway.fallback.ladder import Climb, Ladder
from services.gateway.fallback.providers import ProviderDirectory
from services.gateway.model import (
    Completed,
    Degraded,
    Finished,
    Found,
    GenerationEvent,
    QueryEvent,
    QueryResult,
    Question,
    Retrieved,
    Started,
)
from services.gateway.rewrite import FollowUps
from services.gateway.search import Searcher

log = structlog.get_logger()

# After these the list of providers is looked at anew: it, or the service behind it, has changed.
_STALE_LIST = (reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED, reasons.ERROR_REASON_SERVICE_UNAVAILABLE)


class Generator(Protocol):
    """The answer service's generation."""

    def generate(
        self, request: GenerateRequest, timeout_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        """Opens a generation. Raises DocuQueryError, also while iterating."""
        ...


@dataclass(frozen=True, slots=True)
class QueryPolicy:
    """What the operator chose."""

    provider_order: tuple[str, ...] = ()
    """Provider names; empty: all model providers."""
    extractive_fallback: bool = True
    max_seconds: float = 60.0
    """The longest a query may take; callers may allow less."""
    rerank: bool = True
    """Whether the passages of queries that do not say are reranked; if not, retrieval does as it is set."""
    expand_chunks: int = 0
    """Chunks before and after each passage of queries that do not say, 0 to 3."""

    def completed(self, question: Question) -> Question:
        """The question with what it leaves to the operator."""
        if self.rerank and question.rerank is None:
            question = replace(question, rerank=True)
        if question.expand_chunks is None:
            question = replace(question, expand_chunks=self.expand_chunks)
        return question


class QueryRunner:
    """Answers questions."""

    def __init__(
        self,
        *,
        searcher: Searcher,
        follow_ups: FollowUps,
        generator: Generator,
        directory: ProviderDirectory,
        ladder: Ladder,
        clock: Clock,
        new_id: Callable[[], str],
        policy: QueryPolicy,
        cache: AnswerCache | None = None,
    ) -> None:
        """`cache` None: every answer is made anew, and no look-up costs anything."""
        self._searcher = searcher
        self._follow_ups = follow_ups
        self._generator = generator
        self._directory = directory
        self._ladder = ladder
        self._clock = clock
        self._new_id = new_id
        self._policy = policy
        self._cache = cache

    async def run(
        self, question: Question, deadline: Deadline, *, whole: bool
    ) -> AsyncGenerator[QueryEvent, None]:
        """The events of one query: Retrieved, then the generation's, then one Finished.

        With `whole` only Retrieved and Finished. Nothing comes before the answer's first content, so that
        a query that fails has shown nothing. Raises DocuQueryError.
        """
        arrived = self._clock.monotonic()
        deadline = budget.bounded(deadline, self._policy.max_seconds)
        deadline.require(budget.QUERY_MINIMUM_SECONDS)
        question = self._policy.completed(question)
        plan = make_plan(
            await self._providers(deadline),
            self._policy.provider_order,
            question.provider,
            self._policy.extractive_fallback,
        )
        query_id = self._new_id()
        standalone = await self._follow_ups.rewrite(question, plan, deadline)
        degradations = [standalone.degraded] if standalone.degraded else []
        ticket = None
        if self._cache is not None:
            looked_up = await self._cache.look_up(question, standalone, plan, query_id, deadline)
            if isinstance(looked_up, Cached):
                took_ms = self._since(arrived)
                for old in replayed(
                    looked_up, question, standalone, query_id, self._clock.now(), took_ms, whole=whole
                ):
                    if isinstance(old, Finished):
                        _log(old.result)
                    yield old
                return
            ticket = looked_up
        found = await self._search(question, standalone.text, deadline)
        degradations += found.degradations
        retrieved = self._clock.monotonic()

        def open_generation(provider: str, timeout_seconds: float) -> EventStream:
            request = generate_request(
                question, query_id, standalone.text, found.passages, provider, stream_text=not whole
            )
            return self._generator.generate(request, timeout_seconds)

        climb = self._ladder.climb(plan, open_generation, deadline, whole=whole)
        sources = found.passages if question.include_sources else ()
        first_text_ms: float | None = None
        waiting = True
        try:
            async with aclosing(climb.events()) as events:
                async for event in events:
                    if waiting:
                        waiting = False
                        yield Retrieved(query_id, sources)
                    if first_text_ms is None and not isinstance(event, Started | Completed):
                        first_text_ms = self._since(arrived)
                    if not isinstance(event, Completed):
                        yield event
                        continue
                    result = QueryResult(
                        query_id=query_id,
                        question=question,
                        standalone_question=standalone.text,
                        sources=sources,
                        generation=event.generation,
                        degradations=(*degradations, *_fallback(plan, climb)),
                        attempts=tuple(climb.attempts),
                        time=self._clock.now(),
                        total_ms=self._since(arrived),
                        retrieval_ms=(retrieved - arrived) * 1000,
                        generation_ms=self._since(retrieved),
                        first_text_ms=first_text_ms,
                    )
                    if self._cache is not None and ticket is not None:
                        # Before the end is told: who has it may go at once, and this with him.
                        await self._cache.offer(ticket, result, found.passages, deadline)
                    _log(result)
                    yield Finished(result)
        finally:
            self._look_at(climb)

    async def _providers(self, deadline: Deadline) -> Sequence[Candidate]:
        try:
            async with asyncio.timeout(deadline.remaining()):
                return await self._directory.list()
        except TimeoutError:
            raise out_of_time(()) from None

    async def _search(self, question: Question, standalone: str, deadline: Deadline) -> Found:
        share = budget.bounded(deadline, deadline.slice(share=budget.RETRIEVAL_SHARE))
        return await self._searcher.search(search_request(question, standalone), share)

    def _look_at(self, climb: Climb) -> None:
        # One that is configured and not on the list was not asked, and is missing every time.
        if any(attempt.model and attempt.error_reason in _STALE_LIST for attempt in climb.attempts):
            self._directory.expire()

    def _since(self, moment: float) -> float:
        return (self._clock.monotonic() - moment) * 1000


def _fallback(plan: Plan, climb: Climb) -> Sequence[Degraded]:
    """What the reply says when another provider answered than the one that should have."""
    answered = climb.answered_by
    if answered is None or answered.name == plan.first_choice:
        return ()
    failures = {a.provider: reason_name(a.error_reason) for a in climb.attempts if a.error_reason}
    why = ", ".join(f"{name}: {reason}" for name, reason in failures.items())
    fallback = Degraded(
        DEGRADATION_KIND_PROVIDER_FALLBACK,
        f"{answered.name} answered instead of {plan.first_choice or 'a model'}"
        + (f" ({why})." if why else "."),
    )
    if not climb.by_last_rung:
        return (fallback,)
    return (
        fallback,
        Degraded(
            DEGRADATION_KIND_EXTRACTIVE_ONLY,
            "No model provider could answer: the sentences were picked from the documents as they stand.",
        ),
    )


def _log(result: QueryResult) -> None:
    generation: GenerationCompleted = result.generation
    log.info(
        "query_answered",
        query_id=result.query_id,
        outcome=Outcome.Name(generation.outcome),
        provider=generation.provider,
        model=generation.model,
        attempts=len(result.attempts),
        passages=len(result.sources),
        cached=result.cache_hit is not None,
        total_ms=round(result.total_ms, 1),
        retrieval_ms=round(result.retrieval_ms, 1),
        generation_ms=round(result.generation_ms, 1),
    )
