"""Making follow-up questions self-contained."""

from __future__ import annotations

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import DEGRADATION_KIND_REWRITE_SKIPPED
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_HYBRID
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway.breakers.model import BreakerPolicy, Override
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Plan
from services.gateway.model import Question, Standalone
from services.gateway.rewrite import LOCAL_RULE, FollowUps
from tests.unit.services.gateway.support import plan

OVERLOADED = DocuQueryError(reasons.ERROR_REASON_PROVIDER_OVERLOADED, "Overloaded.")
SLOW = DocuQueryError(reasons.ERROR_REASON_PROVIDER_TIMEOUT, "No answer in time.")
DEAD = DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Dead.", metadata={"service": "answer"})
NEW = DocuQueryError(reasons.ERROR_REASON_CONVERSATION_NOT_FOUND, "No such conversation.")


class Rewriter:
    """Says for each provider what it rewrites to, or how it fails."""

    def __init__(self, replies: dict[str, str | DocuQueryError]) -> None:
        self.replies = replies
        self.asked: list[tuple[str, float]] = []

    async def rewrite_question(
        self, conversation_id: str, question: str, provider: str, timeout_seconds: float
    ) -> Standalone:
        assert (conversation_id, question) == ("c1", "And on Sundays?")
        self.asked.append((provider, timeout_seconds))
        reply = self.replies[provider]
        if isinstance(reply, DocuQueryError):
            raise reply
        return Standalone(reply, is_self_contained=True)


class Bench:
    def __init__(self, replies: dict[str, str | DocuQueryError]) -> None:
        self.clock = ManualClock()
        self.rewriter = Rewriter(replies)
        self.breakers = Breakers(BreakerPolicy(), monotonic=self.clock.monotonic, random=lambda: 0.5)

    async def rewrite(self, plan: Plan, conversation_id: str = "c1", seconds: float = 60) -> Standalone:
        question = Question("And on Sundays?", 5, SEARCH_MODE_HYBRID, conversation_id)
        follow_ups = FollowUps(self.rewriter, self.breakers)
        return await follow_ups.rewrite(question, plan, Deadline.after(seconds, self.clock))

    @property
    def asked(self) -> list[str]:
        return [provider for provider, _ in self.rewriter.asked]


async def test_a_question_outside_a_conversation_stays_as_it_is() -> None:
    bench = Bench({})
    assert await bench.rewrite(plan("a"), conversation_id="") == Standalone("And on Sundays?", True)
    assert bench.asked == []


async def test_the_first_model_provider_rewrites_within_its_slice() -> None:
    bench = Bench({"a": "Are we open on Sundays?"})
    assert await bench.rewrite(plan("a", "b")) == Standalone("Are we open on Sundays?", True)
    assert bench.rewriter.asked == [("a", 5.0)]
    assert bench.breakers.get("provider:a/a-model").snapshot().calls == 1


async def test_a_short_deadline_makes_a_short_slice() -> None:
    bench = Bench({"a": "Are we open on Sundays?"})
    await bench.rewrite(plan("a"), seconds=2)
    assert bench.rewriter.asked == [("a", pytest.approx(0.4))]


async def test_without_a_model_the_local_rule_does_it() -> None:
    bench = Bench({LOCAL_RULE: "opening hours. And on Sundays?"})
    assert await bench.rewrite(plan("extractive")) == Standalone("opening hours. And on Sundays?", True)


async def test_a_provider_whose_breaker_is_open_is_passed_over() -> None:
    bench = Bench({"b": "Are we open on Sundays?"})
    bench.breakers.get("provider:a/a-model").override(Override.FORCE_OPEN)
    await bench.rewrite(plan("a", "b"))
    assert bench.asked == ["b"]


async def test_a_failing_model_is_replaced_by_the_rule_and_that_is_said() -> None:
    bench = Bench({"a": OVERLOADED, LOCAL_RULE: "opening hours. And on Sundays?"})
    standalone = await bench.rewrite(plan("a", "b"))
    assert standalone.text == "opening hours. And on Sundays?"
    assert standalone.degraded is not None
    assert standalone.degraded.kind == DEGRADATION_KIND_REWRITE_SKIPPED
    assert bench.asked == ["a", LOCAL_RULE]
    assert bench.breakers.get("provider:a/a-model").snapshot().failures == 1


async def test_a_rewriting_that_its_caller_s_hurry_ended_is_no_failure_of_the_model() -> None:
    bench = Bench({"a": SLOW, LOCAL_RULE: "opening hours. And on Sundays?"})
    await bench.rewrite(plan("a"), seconds=9.9)
    assert bench.breakers.get("provider:a/a-model").snapshot().failures == 0
    await bench.rewrite(plan("a"), seconds=10)
    assert bench.breakers.get("provider:a/a-model").snapshot().failures == 1


async def test_when_nothing_works_the_question_is_searched_for_as_asked() -> None:
    bench = Bench({"a": DEAD, LOCAL_RULE: DEAD})
    standalone = await bench.rewrite(plan("a"))
    assert standalone.text == "And on Sundays?"
    assert not standalone.is_self_contained
    assert standalone.degraded is not None
    assert "as asked" in standalone.degraded.detail
    assert bench.breakers.get("provider:a/a-model").snapshot().calls == 0, "no verdict on the provider"


async def test_the_first_question_of_a_conversation_follows_nothing() -> None:
    bench = Bench({"a": NEW})
    assert await bench.rewrite(plan("a")) == Standalone("And on Sundays?", True)


async def test_an_unchanged_question_proves_nothing_of_the_provider() -> None:
    bench = Bench({"a": "And on Sundays?"})
    await bench.rewrite(plan("a"))
    assert bench.breakers.get("provider:a/a-model").snapshot().calls == 0
