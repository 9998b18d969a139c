"""Spans by the SDK: parents, failures, what goes along with a call; and nothing while tracing is off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.telemetry import tracing
from libs.telemetry.measured import measured
from libs.telemetry.metrics import Histogram
from libs.telemetry.otel import OtelTracing, exporters_from_environment
from libs.telemetry.setup import wants_traces
from libs.telemetry.stages import Stages

STAGE = Histogram("test_stage_seconds", "Stages.", "stage")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept(SpanExporter):
    """Keeps what is exported."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: object) -> SpanExportResult:
        self.spans += spans  # type: ignore[operator]  # a sequence of spans
        return SpanExportResult.SUCCESS


class Recorded:
    """Spans by name, complete once `made` is closed."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.made = OtelTracing("test", "1", "development", [self.kept])

    def spans(self) -> dict[str, ReadableSpan]:
        self.made.close()
        return {span.name: span for span in self.kept.spans}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    recorded = Recorded()
    tracing.use(recorded.made)
    yield recorded
    tracing.use(None)


def test_while_it_is_off_a_span_is_nothing_and_the_sdk_is_not_loaded() -> None:
    assert tracing.span("a") is tracing.NO_SPAN
    assert tracing.outgoing() == ()
    code = "import sys, services.answer.app, libs.runtime; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_spans_nest_and_continue_the_callers_trace(recorded: Recorded) -> None:
    with (
        tracing.server_span("pkg.Service/Method", {"traceparent": PARENT}),
        tracing.span("inner", answer__count=2) as inner,
    ):
        assert inner.recording
        [(key, sent)] = tracing.outgoing()
        ids = tracing.ids()
    spans = recorded.spans()
    server, inside = spans["pkg.Service/Method"], spans["inner"]
    assert server.parent is not None
    assert inside.parent is not None
    assert format(server.parent.span_id, "016x") == PARENT.split("-")[2]
    assert format(server.context.trace_id, "032x") == PARENT.split("-")[1] == ids["trace_id"]
    assert inside.parent.span_id == server.context.span_id
    assert (key, sent.split("-")[2]) == ("traceparent", format(inside.context.span_id, "016x"))
    assert dict(inside.attributes or {}) == {"answer.count": 2}
    assert server.resource.attributes["service.name"] == "docuquery-test"


@pytest.mark.parametrize("given", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_parent_that_is_none_begins_a_new_trace(recorded: Recorded, given: str) -> None:
    with tracing.server_span("m", {"traceparent": given}):
        pass
    assert recorded.spans()["m"].parent is None


def test_a_failure_is_named_by_its_reason_and_says_nothing_else(recorded: Recorded) -> None:
    error = DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "with words nobody should see")
    with pytest.raises(DocuQueryError), tracing.span("ours"):
        raise error
    with pytest.raises(ZeroDivisionError), tracing.span("foreign"):
        _ = 1 / 0
    with pytest.raises(asyncio.CancelledError), tracing.span("left"):
        raise asyncio.CancelledError
    spans = recorded.spans()
    assert (spans["ours"].attributes or {})["error.type"] == "STORE_UNAVAILABLE"
    assert (spans["foreign"].attributes or {})["error.type"] == "ZeroDivisionError"
    assert spans["ours"].status.status_code is StatusCode.ERROR
    assert spans["left"].status.status_code is StatusCode.UNSET
    assert all(not span.events and not span.status.description for span in spans.values())


async def test_a_span_in_a_generator_that_is_closed_early_ends_well(recorded: Recorded) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with tracing.span("stream"):
            for number in range(10):
                yield number

    with tracing.span("outer"):
        async with aclosing(numbers()) as stream:
            async for number in stream:
                if number == 2:
                    break
        with tracing.span("after"):
            pass
    spans = recorded.spans()
    outer, after = spans["outer"], spans["after"]
    assert after.parent is not None
    assert after.parent.span_id == outer.context.span_id
    assert spans["stream"].status.status_code is StatusCode.UNSET


class Store:
    """Does something."""

    name = "s"

    async def load(self, key: str, *, twice: bool = False) -> str:
        """Loads."""
        return key * (1 + twice)


async def test_a_leaf_in_a_generator_whose_steps_are_run_by_different_tasks_ends_well(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with tracing.leaf("stream"):
            yield 1
            yield 2

    with tracing.span("outer"):
        async with aclosing(numbers()) as stream:
            assert await asyncio.ensure_future(anext(stream)) == 1
            assert await anext(stream) == 2
            assert [number async for number in stream] == []
        tracing.past_span("after", 0.1)
    assert caplog.records == [], "the SDK complains of a context it does not know"
    spans = recorded.spans()
    outer = spans["outer"].context
    for name in ("stream", "after"):
        assert (parent := spans[name].parent) is not None
        assert outer is not None
        assert parent.span_id == outer.span_id


async def test_what_is_measured_behaves_as_before(recorded: Recorded) -> None:
    store = measured(Store(), Stages(STAGE), {"load": "load_it"})
    assert await store.load("a", twice=True) == "aa"
    assert store.name == "s"
    assert "load_it" in recorded.spans()


def test_nothing_is_wrapped_while_telemetry_is_off() -> None:
    store = Store()
    assert measured(store, Stages(STAGE), {"load": "load"}) is store


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_standard_variables_turn_it_on(variables: dict[str, str], wanted: bool) -> None:
    assert wants_traces(variables) is wanted


def test_an_exporter_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(ValueError, match="zipkin"):
        exporters_from_environment()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")
    with pytest.raises(ValueError, match="carrier-pigeon"):
        exporters_from_environment()


@pytest.mark.parametrize(
    ("value", "captured"),
    [("", False), ("NO_CONTENT", False), ("false", False), ("SPAN_ONLY", True), ("true", True)],
)
def test_contents_are_captured_only_when_asked_for(value: str, captured: bool) -> None:
    assert tracing.captures_content({tracing.CAPTURE_CONTENT: value}) is captured
