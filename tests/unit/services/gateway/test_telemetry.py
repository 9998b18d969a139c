"""How attempts and questions are counted, whatever way they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest
from prometheus_client import CollectorRegistry

from docuquery.answer.v1.answer_service_pb2 import GenerationCompleted
from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from libs.telemetry import metrics
from services.gateway.breakers.model import BreakerPolicy, Override
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.attempt import AttemptLimits, run_attempt
from services.gateway.fallback.candidates import Candidate
from services.gateway.fallback.classification import JUDGEABLE_SECONDS
from services.gateway.model import Completed, GenerationEvent, Started, TextDelta
from services.gateway.telemetry import MeasuredAttempts, follow_breakers

Step = GenerationEvent | BaseException
DONE = Completed(GenerationCompleted(provider="p", answer="x"))
NOTHING_FOUND = Completed(GenerationCompleted())


@pytest.fixture
def value() -> Iterator[Callable[..., float | None]]:
    registry = CollectorRegistry()
    metrics.turn_on(registry)
    yield lambda name, **labels: registry.get_sample_value(name, labels)
    metrics.turn_off()


@asynccontextmanager
async def scripted(*steps: Step) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
    """Plays steps: events to yield, errors to raise."""

    async def events() -> AsyncIterator[GenerationEvent]:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            yield step

    yield events()


async def play(*steps: Step, leave_after: int | None = None, seconds: float = 10) -> None:
    limits = AttemptLimits(Deadline.after(seconds, ManualClock()), seconds, seconds, JUDGEABLE_SECONDS)
    attempts = MeasuredAttempts(run_attempt)(
        scripted(*steps), Candidate("p", "openai", "m"), limits, lambda: None
    )
    async with aclosing(attempts) as events:
        count = 0
        async for _ in events:
            count += 1
            if count == leave_after:
                return


OVERLOADED = DocuQueryError(reasons.ERROR_REASON_PROVIDER_OVERLOADED, "busy")


@pytest.mark.parametrize(
    ("steps", "result"),
    [
        ((Started("p", "m"), DONE), "ok"),
        ((NOTHING_FOUND,), "no_evidence"),
        ((OVERLOADED,), "PROVIDER_OVERLOADED"),
        ((Started("p", "m"), OVERLOADED), "PROVIDER_OVERLOADED"),
        ((TimeoutError(),), "PROVIDER_TIMEOUT"),
        ((asyncio.CancelledError(),), "cancelled"),
        ((ValueError("ours"),), "ValueError"),
        ((DONE, OVERLOADED), "ok"),
    ],
)
async def test_an_attempt_counts_once_by_how_it_ended(
    value: Callable[..., float | None], steps: tuple[Step, ...], result: str
) -> None:
    with suppress(DocuQueryError, asyncio.CancelledError, ValueError):
        await play(*steps)
    assert value("docuquery_provider_attempts_total", provider="p", result=result) == 1
    assert value("docuquery_provider_attempt_duration_seconds_count", provider="p") == 1


async def test_what_its_caller_s_hurry_ended_is_no_timeout_of_the_provider(
    value: Callable[..., float | None],
) -> None:
    reported = DocuQueryError(reasons.ERROR_REASON_PROVIDER_TIMEOUT, "The answer service's own timer.")
    for step in (TimeoutError(), reported):
        with pytest.raises(DocuQueryError):
            await play(step, seconds=1.9)
    assert value("docuquery_provider_attempts_total", provider="p", result="DEADLINE_EXCEEDED") == 2
    assert value("docuquery_provider_attempts_total", provider="p", result="PROVIDER_TIMEOUT") is None


async def test_leaving_early_is_no_failure(value: Callable[..., float | None]) -> None:
    await play(Started("p", "m"), TextDelta("x"), DONE, leave_after=1)
    assert value("docuquery_provider_attempts_total", provider="p", result="cancelled") == 1
    assert value("docuquery_provider_first_text_seconds_count", provider="p") == 1


def test_breakers_show_the_state_they_are_in(value: Callable[..., float | None]) -> None:
    breakers = Breakers(BreakerPolicy(), monotonic=ManualClock().monotonic, random=lambda: 0.5)
    breakers.get("service:answer")
    follow_breakers(breakers)

    def state(name: str) -> float | None:
        metrics.refresh()
        return value("docuquery_breaker_state", target="service:answer", state=name)

    assert (state("closed"), state("open")) == (1, 0)
    breakers.override("service:answer", Override.FORCE_OPEN)
    assert (state("closed"), state("open")) == (0, 1)
