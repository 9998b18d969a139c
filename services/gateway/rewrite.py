"""Making a follow-up question self-contained before it is searched for: helpful, never required."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import DEGRADATION_KIND_REWRITE_SKIPPED
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.breakers.model import IGNORED, SUCCESS, Refused
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Plan
from services.gateway.fallback.classification import JUDGEABLE_SECONDS, is_own_timer, judge_provider
from services.gateway.model import Degraded, Question, Standalone

log = structlog.get_logger()

LOCAL_RULE = ""
"""As the provider's name: no model, a rule of the answer service."""


class QuestionRewriter(Protocol):
    """The answer service's rewriting."""

    async def rewrite_question(
        self, conversation_id: str, question: str, provider: str, timeout_seconds: float
    ) -> Standalone:
        """The self-contained question. Raises DocuQueryError."""
        ...


class FollowUps:
    """Rewrites follow-ups within a slice of the query's time."""

    def __init__(self, rewriter: QuestionRewriter, breakers: Breakers) -> None:
        self._rewriter = rewriter
        self._breakers = breakers

    async def rewrite(self, question: Question, plan: Plan, deadline: Deadline) -> Standalone:
        """The question to search for.

        Asks the first model provider whose breaker lets it; when it fails, or there is none, the local
        rule; when that fails too, the question stays as it was asked.
        """
        if not question.conversation_id:
            return Standalone(question.text, is_self_contained=True)
        slice_end = budget.bounded(
            deadline, deadline.slice(share=budget.REWRITE_SHARE, cap=budget.REWRITE_CAP_SECONDS)
        )
        degraded = None
        try:
            by_model = await self._by_model(question, plan, slice_end)
            if by_model is not None:
                return by_model
        except DocuQueryError as error:
            log.warning("rewrite_failed", reason=error.reason_name)
            degraded = Degraded(
                DEGRADATION_KIND_REWRITE_SKIPPED,
                "The follow-up was made self-contained by a simple rule: the model could not do it.",
            )
        try:
            # The rule needs a millisecond, which is there even when the model has used up the slice.
            rest = deadline.slice(share=budget.REWRITE_SHARE, cap=budget.REWRITE_CAP_SECONDS)
            by_rule = await self._ask(question, LOCAL_RULE, rest)
            return replace(by_rule, degraded=degraded)
        except DocuQueryError as error:
            log.warning("rewrite_skipped", reason=error.reason_name)
            degraded = Degraded(
                DEGRADATION_KIND_REWRITE_SKIPPED,
                "The follow-up could not be made self-contained: it was searched for as asked.",
            )
            return Standalone(question.text, is_self_contained=False, degraded=degraded)

    async def _by_model(self, question: Question, plan: Plan, deadline: Deadline) -> Standalone | None:
        """The rewritten question; None when no model provider takes calls now."""
        for candidate in plan.candidates:
            if candidate.is_extractive:
                continue
            try:
                permit = self._breakers.get(candidate.target).acquire(deadline.remaining())
            except Refused:
                continue
            allowed = deadline.remaining()
            with permit:
                try:
                    rewritten = await self._ask(question, candidate.name, allowed)
                except DocuQueryError as error:
                    hurried = is_own_timer(error) and allowed < JUDGEABLE_SECONDS
                    permit.report(IGNORED if hurried else judge_provider(error).outcome)
                    raise
                # Unchanged text may mean that no model was asked, which says nothing of the provider.
                permit.report(IGNORED if rewritten.text == question.text else SUCCESS)
                return rewritten
        return None

    async def _ask(self, question: Question, provider: str, seconds: float) -> Standalone:
        try:
            rewritten = await self._rewriter.rewrite_question(
                question.conversation_id, question.text, provider, seconds
            )
        except DocuQueryError as error:
            if error.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND:
                # Its first question: there is nothing it could follow.
                return Standalone(question.text, is_self_contained=True)
            raise
        return rewritten if rewritten.text else replace(rewritten, text=question.text)
