"""One generation: evidence first, then text and citations as they come, one completed event, last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.answer.conversations.memory import MemoryConversations
from services.answer.conversations.protocol import ConversationLimits
from services.answer.engine import Engine, Task
from services.answer.events import Completed, Event, Started
from services.answer.model import Citation, Outcome, Passage, TokenUsage, Verdict
from services.answer.packing.pack import LeftOut
from services.answer.prompts.manager import PromptManager
from services.answer.prompts.not_found import NOT_FOUND_SENTENCE
from services.answer.providers.protocol import (
    Capabilities,
    Finished,
    FinishReason,
    ProviderEvent,
    ProviderRequest,
    TextDelta,
)
from services.answer.usage.metering import Metering
from tests.unit.services.answer.support import UsageList, passage, turn

HERON = passage("The mascot of the firm is a heron.", name="mascot.txt", score=0.6)
CANTEEN = passage("The canteen opens at eight.", name="canteen.txt", start=900, score=0.4)


class Scripted:
    """A provider that says what it was told to."""

    name = "scripted"
    adapter = "openai"
    model = "m-1"

    def __init__(self, *events: ProviderEvent | Exception, capabilities: Capabilities | None = None) -> None:
        self.events = events
        self.capabilities = capabilities or Capabilities()
        self.requests: list[ProviderRequest] = []
        self.timeouts: list[float] = []
        self.closed = False

    async def stream(
        self, request: ProviderRequest, timeout_seconds: float
    ) -> AsyncGenerator[ProviderEvent, None]:
        self.requests.append(request)
        self.timeouts.append(timeout_seconds)
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed = True


def said(*texts: str, usage: TokenUsage | None = None) -> list[ProviderEvent]:
    return [*(TextDelta(text) for text in texts), Finished(FinishReason.STOP, usage)]


class Bench:
    """An engine around one scripted provider."""

    def __init__(self, provider: Scripted) -> None:
        self.clock = ManualClock()
        self.provider = provider
        self.usage = UsageList()
        self.conversations = MemoryConversations(self.clock, ConversationLimits(), max_count=5)
        self.engine = Engine(
            providers={"scripted": provider},
            prompts=PromptManager(),
            conversations=self.conversations,
            metering=Metering(self.usage, self.clock),
            clock=self.clock,
            evidence_threshold=0.2,
            provider_timeout_seconds=30,
        )

    def task(self, passages: Sequence[Passage] = (HERON, CANTEEN), **fields: str) -> Task:
        question = "What is the mascot?"
        given = {"query_id": "q", "question": question, "standalone_question": question, **fields}
        return Task(passages=tuple(passages), **{"provider": "scripted", **given})  # type: ignore[arg-type]

    async def run(self, task: Task, seconds: float = 10) -> list[Event]:
        deadline = Deadline.after(seconds, self.clock)
        return [event async for event in self.engine.generate(task, "acme", deadline)]


def completed(events: list[Event]) -> Completed:
    assert [isinstance(event, Completed) for event in events].count(True) == 1
    last = events[-1]
    assert isinstance(last, Completed)
    return last


async def test_text_and_checked_citations_come_before_one_completed_event() -> None:
    bench = Bench(Scripted(*said("The mascot of the firm ", "is a heron [", "1]. It sings [7].")))
    events = await bench.run(bench.task())
    assert events[0] == Started("scripted", "m-1")
    last = completed(events)
    assert "".join(e for e in events if isinstance(e, str)).strip() == last.answer
    assert last.answer == "The mascot of the firm is a heron. It sings."
    [citation] = last.citations
    assert [e for e in events if isinstance(e, Citation)] == [citation]
    assert (citation.verdict, citation.passage.filename) == (Verdict.VERBATIM, "mascot.txt")
    assert [rejected.marker for rejected in last.rejected] == ["[7]"]
    assert last.outcome is Outcome.PARTIAL
    assert last.prompt_version == "v2"
    assert len(last.prompt_sha256) == 64
    assert last.usage.estimated


async def test_without_evidence_no_provider_is_asked() -> None:
    bench = Bench(Scripted(*said("never")))
    events = await bench.run(bench.task([passage("Something else.", score=0.19)]))
    [last] = events
    assert isinstance(last, Completed)
    assert last.outcome is Outcome.NO_EVIDENCE
    assert (last.provider, last.prompt_version, last.cost_micro_usd) == ("", "", 0)
    assert last.answer
    assert bench.provider.requests == []


async def test_a_model_that_says_it_is_not_there_is_low_evidence() -> None:
    bench = Bench(Scripted(*said(f"{NOT_FOUND_SENTENCE} The mascot of the firm is a heron [1].")))
    last = completed(await bench.run(bench.task()))
    assert last.outcome is Outcome.LOW_EVIDENCE
    assert last.confidence == 0


async def test_a_provider_that_finds_nothing_gets_an_honest_sentence() -> None:
    bench = Bench(Scripted(Finished(FinishReason.STOP, None, abstained=True)))
    events = await bench.run(bench.task())
    last = completed(events)
    assert len(events) == 1
    assert last.outcome is Outcome.LOW_EVIDENCE
    assert last.answer


async def test_numbers_stay_those_of_the_request_when_a_repeated_passage_was_packed_away() -> None:
    twin = passage(HERON.text, name="copy.txt", score=0.6)
    bench = Bench(Scripted(*said("The canteen opens at eight [2].")))
    last = completed(await bench.run(bench.task([HERON, twin, CANTEEN])))
    assert last.citations[0].source_number == 3
    assert last.citations[0].passage.filename == "canteen.txt"


async def test_reported_usage_is_priced() -> None:
    priced = Capabilities(
        input_micro_usd_per_million_tokens=1_000_000, output_micro_usd_per_million_tokens=2_000_000
    )
    script = said("The mascot of the firm is a heron [1].", usage=TokenUsage(100, 10))
    last = completed(await (bench := Bench(Scripted(*script, capabilities=priced))).run(bench.task()))
    assert last.usage == TokenUsage(100, 10)
    assert last.cost_micro_usd == 120


async def test_what_did_not_fit_is_counted() -> None:
    small = Capabilities(context_window_tokens=1900)
    bench = Bench(Scripted(*said("x [1]."), capabilities=small))
    passages = [passage(c * 1200, name=f"{c}.txt", score=0.5) for c in "abc"]
    assert completed(await bench.run(bench.task(passages))).left_out == LeftOut((2, 3), 0, 1900)


async def test_the_provider_must_end_before_the_call_does() -> None:
    bench = Bench(Scripted(*said("x")))
    await bench.run(bench.task(), seconds=5)
    await bench.run(bench.task(), seconds=500)
    assert bench.provider.timeouts == pytest.approx([4.9, 30])


async def test_a_turn_is_kept_only_when_the_answer_is_complete() -> None:
    error = DocuQueryError(reasons.ERROR_REASON_STREAM_TRUNCATED, "Cut.")
    broken = Bench(Scripted(TextDelta("The mascot"), error))
    with pytest.raises(DocuQueryError):
        await broken.run(broken.task(conversation_id="c"))
    assert broken.provider.closed
    with pytest.raises(DocuQueryError):
        await broken.conversations.get("acme", "c")

    whole = Bench(Scripted(*said("The mascot of the firm is a heron [1].")))
    await whole.conversations.append("acme", "c", turn("Who are you?", "A firm."))
    done = completed(await whole.run(whole.task(conversation_id="c")))
    assert done.history_turn_count == 1
    kept = (await whole.conversations.get("acme", "c")).turns
    assert [t.answer for t in kept] == ["A firm.", "The mascot of the firm is a heron."]
    asked = whole.provider.requests[0].prompt.messages
    assert [message.text for message in asked[:2]] == ["Who are you?", "A firm."]


async def test_the_first_answer_of_a_conversation_owes_nothing_to_it() -> None:
    bench = Bench(Scripted(*said("The mascot of the firm is a heron [1].")))
    assert completed(await bench.run(bench.task(conversation_id="c"))).history_turn_count == 0


async def test_leaving_the_stream_closes_the_provider() -> None:
    bench = Bench(Scripted(*said("The mascot of the firm is a heron [1]. ", "More.")))
    deadline = Deadline.after(10, bench.clock)
    async with aclosing(bench.engine.generate(bench.task(), "acme", deadline)) as events:
        await anext(events)
    assert bench.provider.closed


async def test_unknown_names_are_refused_with_what_there_is() -> None:
    bench = Bench(Scripted(*said("x")))
    with pytest.raises(DocuQueryError) as caught:
        await bench.run(bench.task(provider="nobody"))
    assert caught.value.reason == reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED
    assert caught.value.metadata == {"available": "scripted"}
    with pytest.raises(DocuQueryError) as caught:
        await bench.run(bench.task(prompt_version="v99"))
    assert caught.value.reason == reasons.ERROR_REASON_PROMPT_VERSION_NOT_FOUND


async def test_cancelling_the_reader_reaches_the_provider() -> None:
    started = asyncio.Event()

    class Hanging(Scripted):
        async def stream(
            self, request: ProviderRequest, timeout_seconds: float
        ) -> AsyncGenerator[ProviderEvent, None]:
            try:
                yield TextDelta("The ")
                started.set()
                await asyncio.sleep(60)
            finally:
                self.closed = True

    bench = Bench(Hanging())
    task = asyncio.create_task(bench.run(bench.task()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.provider.closed
