"""Every attempt is written down once, whichever way it ends, and its tokens are those that were paid for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.answer.model import NO_TOKENS, TokenUsage
from services.answer.providers.protocol import (
    Capabilities,
    Finished,
    FinishReason,
    Message,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.usage.metering import Metering, Subject
from tests.unit.services.answer.support import UsageList

PRICES = Capabilities(
    input_micro_usd_per_million_tokens=1_000_000, output_micro_usd_per_million_tokens=2_000_000
)
SECRET = "the question nobody may read"
ASK = ProviderRequest(SECRET, (), RenderedPrompt("", (Message("user", SECRET),)))
SUBJECT = Subject("acme", "q-1", "answer")


class Scripted:
    """A provider that takes a second for each event."""

    name = "scripted"
    model = "m-1"
    capabilities = PRICES

    def __init__(self, *events: ProviderEvent | Exception, adapter: str = "openai") -> None:
        self.adapter = adapter
        self.events = events
        self.clock = ManualClock()
        self.usage = UsageList()

    async def stream(
        self, request: ProviderRequest, timeout_seconds: float
    ) -> AsyncGenerator[ProviderEvent, None]:
        for event in self.events:
            self.clock.advance(1)
            if isinstance(event, Exception):
                raise event
            yield event

    def measured(self) -> AsyncGenerator[ProviderEvent, None]:
        return Metering(self.usage, self.clock).stream(self, ASK, 5, SUBJECT)


async def test_reported_tokens_are_taken_as_they_are() -> None:
    reported = TokenUsage(1000, 100, cached_prompt_tokens=10)
    provider = Scripted(TextDelta("a"), TextDelta("b"), Finished(FinishReason.STOP, reported))
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        events = [event async for event in provider.measured()]
    assert events == list(provider.events)
    [told] = provider.usage.records
    assert (told.result, told.tenant, told.query_id, told.purpose) == ("OK", "acme", "q-1", "answer")
    assert (told.provider, told.model, told.request_id) == ("scripted", "m-1", "r-1")
    assert (told.prompt_tokens, told.completion_tokens, told.cached_prompt_tokens) == (1000, 100, 10)
    assert (told.estimated, told.cost_micro_usd) == (False, 1200)
    assert (told.first_token_ms, told.latency_ms) == (1000, 3000)
    assert SECRET not in repr(told)


async def test_tokens_that_are_not_reported_are_estimated_and_marked() -> None:
    provider = Scripted(TextDelta("word " * 40), Finished(FinishReason.STOP))
    events = [event async for event in provider.measured()]
    assert isinstance(events[-1], Finished)
    assert events[-1].usage is not None
    [told] = provider.usage.records
    assert told.estimated
    assert (told.prompt_tokens, told.completion_tokens) == (
        events[-1].usage.prompt_tokens,
        events[-1].usage.completion_tokens,
    )
    assert told.completion_tokens == 50


@pytest.mark.parametrize(
    ("events", "phase", "prompt_paid", "completion_tokens"),
    [
        ((), "OPENING", False, 0),
        ((), "BEFORE_FIRST_TOKEN", True, 0),
        ((TextDelta("a" * 40),), "MID_STREAM", True, 10),
    ],
)
async def test_a_failed_attempt_counts_what_it_had_cost_by_then(
    events: tuple[ProviderEvent, ...], phase: str, prompt_paid: bool, completion_tokens: int
) -> None:
    error = DocuQueryError(reasons.ERROR_REASON_PROVIDER_OVERLOADED, "x", metadata={"phase": phase})
    provider = Scripted(*events, error)
    with pytest.raises(DocuQueryError) as caught:
        _ = [event async for event in provider.measured()]
    assert caught.value is error
    [told] = provider.usage.records
    assert told.result == "PROVIDER_OVERLOADED"
    assert (told.prompt_tokens > 0) is prompt_paid
    assert told.completion_tokens == completion_tokens
    assert told.estimated is prompt_paid


async def test_an_attempt_its_reader_leaves_is_written_down_as_cancelled() -> None:
    provider = Scripted(TextDelta("a" * 40), TextDelta("b"))
    async with aclosing(provider.measured()) as events:
        await anext(events)
    [told] = provider.usage.records
    assert (told.result, told.completion_tokens, told.estimated) == ("CALLER_CANCELLED", 10, True)


async def test_a_cancelled_reader_is_written_down_too() -> None:
    class Hanging(Scripted):
        async def stream(
            self, request: ProviderRequest, timeout_seconds: float
        ) -> AsyncGenerator[ProviderEvent, None]:
            yield TextDelta("a")
            reached.set()
            await asyncio.sleep(60)

    reached = asyncio.Event()
    provider = Hanging()

    async def read() -> None:
        async for _ in provider.measured():
            pass

    task = asyncio.create_task(read())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [told.result for told in provider.usage.records] == ["CALLER_CANCELLED"]


async def test_the_extractive_provider_costs_nothing() -> None:
    provider = Scripted(TextDelta("a"), Finished(FinishReason.STOP, NO_TOKENS), adapter="extractive")
    _ = [event async for event in provider.measured()]
    [told] = provider.usage.records
    assert (told.prompt_tokens, told.completion_tokens, told.cost_micro_usd) == (0, 0, 0)
    assert not told.estimated
