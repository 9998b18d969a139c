"""How attempts and questions are counted, whatever way they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from docuquery.answer.v1.answer_service_pb2 import GenerateRequest, GenerationCompleted
from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.telemetry import metrics
from services.gateway.breakers.model import BreakerPolicy, Override
from services.gateway.breakers.registry import Breakers
from services.gateway.model import Completed, GenerationEvent, Started
from services.gateway.telemetry import MeasuredGenerator, follow_breakers

Step = GenerationEvent | BaseException
DONE = Completed(GenerationCompleted(provider="p", answer="x"))
NOTHING_FOUND = Completed(GenerationCompleted())


@pytest.fixture
def value() -> Iterator[Callable[..., float | None]]:
    registry = CollectorRegistry()
    metrics.turn_on(registry)
    yield lambda name, **labels: registry.get_sample_value(name, labels)
    metrics.turn_off()


class Scripted:
    """Plays steps: events to yield, errors to raise."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps

    @asynccontextmanager
    async def generate(
        self, request: GenerateRequest, timeout_seconds: float
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        async def events() -> AsyncIterator[GenerationEvent]:
            for step in self._steps:
                if isinstance(step, BaseException):
                    raise step
                yield step

        yield events()


async def play(*steps: Step, leave_after: int | None = None) -> None:
    generator = MeasuredGenerator(Scripted(*steps))
    async with generator.generate(GenerateRequest(provider="p"), 1.0) as events:
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
    try:
        await play(*steps)
    except (DocuQueryError, TimeoutError, asyncio.CancelledError, ValueError) as error:
        assert error in steps  # noqa: PT017 - what is raised inside comes out as it was
    assert value("docuquery_provider_attempts_total", provider="p", result=result) == 1
    assert value("docuquery_provider_attempt_duration_seconds_count", provider="p") == 1


async def test_leaving_early_is_no_failure(value: Callable[..., float | None]) -> None:
    await play(Started("p", "m"), DONE, leave_after=1)
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
