"""What the answer service measures: calls of models, their tokens and cost, and what citations were worth.

Tokens, cost and times in metrics are those of the usage log: both are told by `usage.metering`.

Spans of models follow OpenTelemetry's conventions for generative AI (`gen_ai.*`). Prompts and answers stand
in them only where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from libs.telemetry import tracing
from libs.telemetry.metrics import Counter, Histogram
from libs.telemetry.tracing import Kind, Span
from services.answer.citations.markers import Piece
from services.answer.citations.tracker import CitationTracker, TrackerEvent
from services.answer.model import Passage
from services.answer.providers.protocol import (
    EXTRACTIVE_ADAPTER,
    Capabilities,
    Finished,
    Provider,
    ProviderEvent,
    ProviderRequest,
    TextDelta,
)
from services.answer.tokens import estimate_usage
from services.answer.usage.log_file import UsageSink
from services.answer.usage.record import UsageRecord

MODEL_SECONDS = Histogram(
    "docuquery_model_duration_seconds", "Calls of models, from request to last event.", "provider", "model"
)
MODEL_FIRST_SECONDS = Histogram(
    "docuquery_model_first_text_seconds", "From request to first text.", "provider", "model"
)
TOKENS = Counter(
    "docuquery_model_tokens",
    "Tokens used, `input` or `output`; estimated where the provider reports none, as in the usage log.",
    "provider",
    "model",
    "type",
)
COST = Counter("docuquery_model_cost_usd", "Cost in US dollars, where prices are known.", "provider", "model")
CITATIONS = Counter("docuquery_citations", "Citations by verdict; `rejected` names no source.", "verdict")
CHECK_SECONDS = Histogram(
    "docuquery_citation_check_seconds", "Checking the citations of one answer, summed over its stream."
)


def is_on() -> bool:
    """Whether anything is measured."""
    return TOKENS.is_on or tracing.is_on()


def counted(sink: UsageSink) -> UsageSink:
    """`sink`, with what it is told of counted, too, where metrics are on."""
    return _CountedUsage(sink) if TOKENS.is_on else sink


class _CountedUsage:
    """The same attempts in metrics as in the usage log, with the same tokens and the same cost."""

    def __init__(self, inner: UsageSink) -> None:
        self._inner = inner

    def record(self, record: UsageRecord) -> None:
        """See `UsageSink.record`."""
        self._inner.record(record)
        labels = record.provider, record.model
        MODEL_SECONDS.observe(record.latency_ms / 1000, *labels)
        if record.first_token_ms is not None:
            MODEL_FIRST_SECONDS.observe(record.first_token_ms / 1000, *labels)
        if record.prompt_tokens:
            TOKENS.add(*labels, "input", by=record.prompt_tokens)
            TOKENS.add(*labels, "output", by=record.completion_tokens)
        if record.cost_micro_usd is not None:
            COST.add(*labels, by=record.cost_micro_usd / 1e6)


def traced(provider: Provider) -> Provider:
    """`provider`, with a span for each of its calls where tracing is on."""
    return _TracedProvider(provider) if tracing.is_on() else provider


class _TracedProvider:
    """A provider whose calls are a span each."""

    def __init__(self, inner: Provider) -> None:
        self._inner = inner
        self._captures = tracing.captures_content(os.environ)

    @property
    def name(self) -> str:
        """See `Provider.name`."""
        return self._inner.name

    @property
    def adapter(self) -> str:
        """See `Provider.adapter`."""
        return self._inner.adapter

    @property
    def model(self) -> str:
        """See `Provider.model`."""
        return self._inner.model

    @property
    def capabilities(self) -> Capabilities:
        """See `Provider.capabilities`."""
        return self._inner.capabilities

    async def stream(
        self, request: ProviderRequest, timeout_seconds: float
    ) -> AsyncGenerator[ProviderEvent, None]:
        """See `Provider.stream`."""
        began = time.perf_counter()
        texts: list[str] = []
        with self._span(request) as span:
            async with aclosing(self._inner.stream(request, timeout_seconds)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        if not texts:
                            span.set("gen_ai.response.time_to_first_chunk", time.perf_counter() - began)
                        texts.append(event.text)
                    elif isinstance(event, Finished):
                        self._finished(request, event, texts, span)
                    yield event

    def _span(self, request: ProviderRequest) -> Span:
        if self.adapter == EXTRACTIVE_ADAPTER:  # no model, so none of its attributes
            return tracing.leaf("extract", docuquery__provider=self.name)
        span = tracing.leaf(
            f"chat {self.model}",
            Kind.CLIENT,
            gen_ai__operation__name="chat",
            gen_ai__provider__name=self.adapter,
            gen_ai__request__model=self.model,
            gen_ai__request__stream=True,
            docuquery__provider=self.name,
        )
        if self._captures and span.recording:
            prompt = request.prompt
            span.set("gen_ai.system_instructions", json.dumps([_text(prompt.system)]))
            asked = [{"role": one.role, "parts": [_text(one.text)]} for one in prompt.messages]
            for document in prompt.documents:  # they belong before the question
                asked.insert(-1, {"role": "user", "parts": [_text(document.text)]})
            span.set("gen_ai.input.messages", json.dumps(asked, ensure_ascii=False))
        return span

    def _finished(self, request: ProviderRequest, event: Finished, texts: Sequence[str], span: Span) -> None:
        if self.adapter == EXTRACTIVE_ADAPTER or not span.recording:
            return
        usage = event.usage or estimate_usage(request.prompt, "".join(texts))
        span.set("gen_ai.response.finish_reasons", [event.reason.value])
        span.set("gen_ai.usage.input_tokens", usage.prompt_tokens)
        span.set("gen_ai.usage.output_tokens", usage.completion_tokens)
        if self._captures:
            told = {
                "role": "assistant",
                "parts": [_text("".join(texts))],
                "finish_reason": event.reason.value,
            }
            span.set("gen_ai.output.messages", json.dumps([told], ensure_ascii=False))


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def tracker_of(
    passages: Sequence[Passage], groups: Sequence[Sequence[int]], question: str
) -> CitationTracker:
    """A tracker for one answer (see `CitationTracker`), whose work is measured where telemetry is on."""
    kind = _MeasuredTracker if is_on() else CitationTracker
    return kind(passages, groups, question)


class _MeasuredTracker(CitationTracker):
    """Checking goes on while the answer streams; its span stands at the end and is as long as all of it."""

    _seconds = 0.0

    def feed(self, delta: str) -> list[TrackerEvent]:
        began = time.perf_counter()
        events = super().feed(delta)
        self._seconds += time.perf_counter() - began
        return events

    def cite(self, piece: Piece | None, quoted: str) -> list[TrackerEvent]:
        began = time.perf_counter()
        events = super().cite(piece, quoted)
        self._seconds += time.perf_counter() - began
        return events

    def prepare(self) -> Iterator[None]:
        began = time.perf_counter()
        for _ in super().prepare():
            self._seconds += time.perf_counter() - began
            yield
            began = time.perf_counter()

    def finish(self) -> list[TrackerEvent]:
        began = time.perf_counter()
        events = super().finish()
        self._seconds += time.perf_counter() - began
        CHECK_SECONDS.observe(self._seconds)
        tracing.past_span("citation_check", self._seconds)
        for citation in self.citations:
            CITATIONS.add(citation.verdict.name.lower())
        if self.rejected:
            CITATIONS.add("rejected", by=len(self.rejected))
        return events
