"""What every model adapter owes the engine, through the real SDKs, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import socket
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import pytest
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import LLM_DOMAIN, DocuQueryError
from services.answer.model import TokenUsage
from services.answer.providers.anthropic import AnthropicProvider
from services.answer.providers.openai import OpenAiProvider
from services.answer.providers.protocol import (
    Capabilities,
    Cited,
    Document,
    Finished,
    FinishReason,
    Message,
    Provider,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.providers.spec import Endpoint
from tests.contract.llm_server import (
    Cite,
    Drop,
    End,
    Finish,
    Hang,
    LlmServer,
    Open,
    Raw,
    Reset,
    Status,
    Step,
    Text,
)
from tests.contract.provider_faults import SAID, Cell, Stage, cells

KEY = "sk-secret-0123456789"
HttpProvider = OpenAiProvider | AnthropicProvider
REQUEST = ProviderRequest(
    question="What?",
    passages=(),
    prompt=RenderedPrompt(
        "Be brief.", (Message("user", "a"), Message("assistant", "b"), Message("user", "What?"))
    ),
)


def openai_provider(port: int, **settings: object) -> OpenAiProvider:
    url = f"http://127.0.0.1:{port}/v1"
    return OpenAiProvider(name="p", model="m-1", endpoint=Endpoint(KEY, url), **settings)  # type: ignore[arg-type] # each test's own


def anthropic_provider(port: int, **settings: object) -> AnthropicProvider:
    url = f"http://127.0.0.1:{port}"
    return AnthropicProvider(name="p", model="m-1", endpoint=Endpoint(KEY, url), **settings)  # type: ignore[arg-type] # each test's own


@dataclass(frozen=True)
class Adapter:
    name: str
    build: Callable[..., HttpProvider]
    stop: str
    length: str
    filtered: str
    usage: TokenUsage
    """What the server's default usage is in our words."""


ADAPTERS = (
    Adapter(
        "openai",
        openai_provider,
        "stop",
        "length",
        "content_filter",
        TokenUsage(11, 7, cached_prompt_tokens=2),
    ),
    Adapter(
        "anthropic",
        anthropic_provider,
        "end_turn",
        "max_tokens",
        "refusal",
        TokenUsage(11, 7, cached_prompt_tokens=2, cache_write_tokens=1),
    ),
)


@pytest.fixture(params=ADAPTERS, ids=lambda a: a.name)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    chosen: Adapter = request.param
    return chosen


@pytest.fixture
async def server() -> AsyncIterator[LlmServer]:
    async with LlmServer() as running:
        yield running


@pytest.fixture
async def provider(adapter: Adapter, server: LlmServer) -> AsyncIterator[HttpProvider]:
    built = adapter.build(server.port)
    yield built
    await built.aclose()


async def collect(provider: Provider, timeout_seconds: float = 5.0) -> list[ProviderEvent]:
    return [event async for event in provider.stream(REQUEST, timeout_seconds)]


async def fail(
    provider: Provider, timeout_seconds: float = 5.0
) -> tuple[DocuQueryError, list[ProviderEvent]]:
    """The error of a call that must fail, and the events before it."""
    events: list[ProviderEvent] = []
    with pytest.raises(DocuQueryError) as caught:
        async for event in provider.stream(REQUEST, timeout_seconds):
            events.append(event)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.metadata)
    assert KEY not in shown
    assert "provider text" not in error.message
    assert error.domain == LLM_DOMAIN
    assert (error.metadata["provider"], error.metadata["model"]) == ("p", "m-1")
    return error, events


# --- success ---


async def test_deltas_come_in_order_and_the_last_event_carries_reason_and_usage(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("Ten"), Text(" days [1]."), Finish(adapter.stop), End())
    events = await collect(provider)
    assert events == [
        TextDelta("Ten"),
        TextDelta(" days [1]."),
        Finished(FinishReason.STOP, adapter.usage),
    ]
    assert len(server.requests) == 1
    assert provider.adapter == adapter.name


async def test_characters_survive_being_cut_anywhere_on_the_wire(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("a👩‍🚀é漢", split=True), Finish(adapter.stop), End())
    assert (await collect(provider))[0] == TextDelta("a👩‍🚀é漢")


async def test_a_character_whose_halves_come_in_two_deltas_is_put_together(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    halves = '{"delta":{"type":"text_delta","text":"%s"},"type":"content_block_delta","index":0}'
    if adapter.name == "openai":
        halves = '{"choices":[{"index":0,"delta":{"content":"%s"}}]}'
    prefix = "event: content_block_delta\ndata: "
    first, second = (Raw((prefix + halves % half + "\n\n").encode()) for half in (r"x\ud83d", r"\ude00"))
    server.play(Open(), first, second, Finish(adapter.stop), End())
    assert (await collect(provider))[:-1] == [TextDelta("x"), TextDelta("\U0001f600")]


async def test_events_of_kinds_not_known_yet_are_passed_over(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    later = Raw(b'event: content_block_hum\ndata: {"type": "content_block_hum"}\n\n: a comment\n\n')
    server.play(Open(), later, Text("x"), later, Finish(adapter.stop), End())
    assert [e.text for e in await collect(provider) if isinstance(e, TextDelta)] == ["x"]


@pytest.mark.parametrize(
    ("word", "reason"), [("length", FinishReason.LENGTH), ("filtered", FinishReason.CONTENT_FILTERED)]
)
async def test_a_limit_and_a_refusal_are_finish_reasons_not_errors(
    adapter: Adapter, provider: HttpProvider, server: LlmServer, word: str, reason: FinishReason
) -> None:
    server.play(Open(), Text("x"), Finish(getattr(adapter, word)), End())
    assert (await collect(provider))[-1] == Finished(reason, adapter.usage)


async def test_an_answer_without_text_is_the_terminal_event_alone(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Finish(adapter.stop), End())
    assert await collect(provider) == [Finished(FinishReason.STOP, adapter.usage)]


async def test_usage_that_is_not_reported_is_none(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("x"), Finish(adapter.stop, usage=None), End())
    assert await collect(provider) == [TextDelta("x"), Finished(FinishReason.STOP, None)]


@pytest.mark.parametrize("after", [Hang(), Reset(), Drop()], ids=lambda s: type(s).__name__)
async def test_what_happens_after_the_terminal_event_cannot_spoil_the_answer(
    adapter: Adapter, provider: HttpProvider, server: LlmServer, after: Step
) -> None:
    server.play(Open(), Text("x"), Finish(adapter.stop), after)
    started = asyncio.get_running_loop().time()
    events = await collect(provider, timeout_seconds=30)
    assert isinstance(events[-1], Finished)
    assert asyncio.get_running_loop().time() - started < 5


async def test_calls_one_after_the_other_share_a_connection(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("x"), Finish(adapter.stop), End())
    for _ in range(3):
        await collect(provider)
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_the_request_carries_prompt_settings_and_key(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Finish(adapter.stop), End())
    await collect(provider)
    received = server.requests[0]
    turns = [("user", "a"), ("assistant", "b"), ("user", "What?")]
    if adapter.name == "openai":
        turns.insert(0, ("system", "Be brief."))
        assert received.body["stream_options"] == {"include_usage": True}
    else:
        assert received.body["system"] == "Be brief."
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert [(m["role"], m["content"]) for m in received.body["messages"]] == turns
    assert received.body["model"] == "m-1"
    assert (received.body["temperature"], received.body["max_tokens"]) == (0.0, 1024)


async def test_what_is_known_of_a_model_shapes_the_request(adapter: Adapter, server: LlmServer) -> None:
    parameter = "max_completion_tokens" if adapter.name == "openai" else "max_tokens"
    known = Capabilities(answer_tokens=100, accepts_temperature=False, max_tokens_parameter=parameter)
    provider = adapter.build(server.port, capabilities=known)
    server.play(Open(), Finish(adapter.stop), End())
    await collect(provider)
    await provider.aclose()
    assert server.requests[0].body[parameter] == 100
    assert "temperature" not in server.requests[0].body


@pytest.mark.parametrize(
    "refusal",
    [
        Status(400, "invalid_request_error", param="stream_options"),
        Status(422, body=b'{"detail": [{"loc": ["body", "stream_options"], "msg": "extra"}]}'),
    ],
    ids=["param", "loc"],
)
async def test_a_server_that_refuses_to_report_usage_is_asked_once(
    server: LlmServer, refusal: Status
) -> None:
    provider = openai_provider(server.port)
    server.play_in_turn((refusal,), (Open(), Text("x"), Finish("stop", usage=None), End()))
    assert await collect(provider) == [TextDelta("x"), Finished(FinishReason.STOP, None)]
    await collect(provider)
    await provider.aclose()
    assert ["stream_options" in r.body for r in server.requests] == [True, False, False]


# --- errors the provider reports ---


R = reasons


@pytest.mark.parametrize("cell", list(cells()), ids=str)
async def test_a_fault_is_classified_by_its_signal_and_not_retried(
    adapter: Adapter, provider: HttpProvider, server: LlmServer, cell: Cell
) -> None:
    script = cell.script(adapter.name)
    server.play(*cell.stage.value, *script)
    error, events = await fail(provider, timeout_seconds=1 if isinstance(script[0], Hang) else 5)
    assert error.reason == cell.fault.reason
    opened = isinstance(script[0], Open)  # a reply, though none that could be read
    assert error.metadata["phase"] == ("BEFORE_FIRST_TOKEN" if opened else cell.stage.phase)
    assert events == ([TextDelta(SAID.text)] if cell.stage is Stage.MID_STREAM else [])
    if isinstance(script[0], Status):
        assert error.metadata["http_status"] == str(script[0].status)
        assert error.metadata["provider_request_id"] == "req_1"
        assert error.retry_after_seconds == (7 if script[0].status >= 400 else None)
    assert len(server.requests) == 1


STAGES = pytest.mark.parametrize(
    ("before", "phase"),
    [((Open(),), "BEFORE_FIRST_TOKEN"), ((Open(), Text("x")), "MID_STREAM")],
    ids=["before-first-token", "mid-stream"],
)


async def test_an_error_that_is_no_json_goes_by_its_status(provider: HttpProvider, server: LlmServer) -> None:
    server.play(Status(503, body=b"<html>busy</html>"))
    assert (await fail(provider))[0].reason == R.ERROR_REASON_PROVIDER_OVERLOADED


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "7"}, 7.0), ({"retry-after-ms": "250"}, 0.25), ({}, None)]
)
async def test_the_provider_says_when_to_come_back(
    provider: HttpProvider, server: LlmServer, headers: dict[str, str], seconds: float | None
) -> None:
    server.play(Status(429, "rate_limit_error", headers=headers))
    assert (await fail(provider))[0].retry_after_seconds == seconds


async def test_a_key_the_provider_quotes_goes_no_further(provider: HttpProvider, server: LlmServer) -> None:
    server.play(Status(401, body=b'{"error": {"message": "bad key %s", "type": "x"}}' % KEY.encode()))
    with structlog.testing.capture_logs() as logs:
        error, _ = await fail(provider)  # looks for the key in everything that shows
    assert error.reason == R.ERROR_REASON_PROVIDER_CREDENTIALS
    assert KEY not in repr(provider)
    assert "bad key" in logs[0]["detail"]
    assert KEY not in repr(logs)


# --- broken transports and streams ---

ALL_STAGES = pytest.mark.parametrize(
    ("before", "phase"),
    [((), "OPENING"), ((Open(),), "BEFORE_FIRST_TOKEN"), ((Open(), Text("x")), "MID_STREAM")],
    ids=["opening", "before-first-token", "mid-stream"],
)


@ALL_STAGES
async def test_a_reset_is_a_broken_connection(
    provider: HttpProvider, server: LlmServer, before: tuple[Step, ...], phase: str
) -> None:
    server.play(*before, Reset())
    error, _ = await fail(provider)
    assert error.reason == R.ERROR_REASON_PROVIDER_CONNECTION
    # A reset discards what the client has not read yet, so it may look earlier than it was sent.
    assert error.metadata["phase"] in ("OPENING", "BEFORE_FIRST_TOKEN", phase)
    assert len(server.requests) == 1


async def test_a_refused_port_is_a_broken_connection(adapter: Adapter) -> None:
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        provider = adapter.build(unused.getsockname()[1])
        error, _ = await fail(provider)
        await provider.aclose()
    assert error.reason == R.ERROR_REASON_PROVIDER_CONNECTION
    assert error.metadata["phase"] == "OPENING"
    assert "http_status" not in error.metadata


@ALL_STAGES
async def test_a_server_that_falls_silent_is_a_timeout_and_is_hung_up_on(
    provider: HttpProvider, server: LlmServer, before: tuple[Step, ...], phase: str
) -> None:
    server.play(*before, Hang())
    error, events = await fail(provider, timeout_seconds=1)
    assert error.reason == R.ERROR_REASON_PROVIDER_TIMEOUT
    assert error.metadata["phase"] == phase
    assert events == ([TextDelta("x")] if phase == "MID_STREAM" else [])
    assert len(server.requests) == 1
    await asyncio.wait_for(server.client_gone.wait(), 5)


async def test_a_server_that_drips_is_stopped_by_the_time_of_the_whole_call(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("a" * 50_000, split=True), Finish(adapter.stop), End())
    started = asyncio.get_running_loop().time()
    error, _ = await fail(provider, timeout_seconds=0.3)
    assert error.reason == R.ERROR_REASON_PROVIDER_TIMEOUT
    assert asyncio.get_running_loop().time() - started < 3


BROKEN = {
    "no-json": b"event: content_block_delta\ndata: {broken\n\n",
    "no-utf8": b'event: content_block_delta\ndata: {"choices": "\xff\xfe"}\n\n',
    "list": b"event: content_block_delta\ndata: [1]\n\n",
    "wrong-types": (
        b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, '
        b'"delta": {"type": "text_delta", "text": 5}, "choices": [{"delta": {"content": 5}}]}\n\n'
    ),
}


@STAGES
@pytest.mark.parametrize("kind", BROKEN)
async def test_an_event_that_cannot_be_understood_is_a_bad_response(
    provider: HttpProvider, server: LlmServer, before: tuple[Step, ...], phase: str, kind: str
) -> None:
    server.play(*before, Raw(BROKEN[kind]), End())
    error, _ = await fail(provider)
    assert error.reason == R.ERROR_REASON_PROVIDER_BAD_RESPONSE
    assert error.metadata["phase"] == phase


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_a_reply_that_is_no_event_stream_is_a_bad_response(
    provider: HttpProvider, server: LlmServer, content_type: str
) -> None:
    server.play(Open(content_type, preamble=False), Raw(b'{"hello": "world"}'), End())
    assert (await fail(provider))[0].reason == R.ERROR_REASON_PROVIDER_BAD_RESPONSE


# --- cancellation ---


@ALL_STAGES
async def test_cancelling_the_reader_hangs_up_and_stays_a_cancellation(
    provider: HttpProvider, server: LlmServer, before: tuple[Step, ...], phase: str
) -> None:
    server.play(*before, Hang())
    task = asyncio.create_task(collect(provider, timeout_seconds=30))
    await asyncio.wait_for(server.hanging.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.client_gone.wait(), 5)


async def test_closing_the_generator_hangs_up(provider: HttpProvider, server: LlmServer) -> None:
    server.play(Open(), Text("x"), Hang())
    async with aclosing(provider.stream(REQUEST, 30)) as stream:
        assert await anext(stream) == TextDelta("x")
    await asyncio.wait_for(server.client_gone.wait(), 5)


async def test_the_time_limit_never_interrupts_what_the_reader_does_between_events(
    provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("x"), Hang())
    async with aclosing(provider.stream(REQUEST, 0.2)) as stream:
        await anext(stream)
        await asyncio.sleep(0.4)  # a limit around the whole generator would cancel this
        with pytest.raises(DocuQueryError) as caught:
            await anext(stream)
    assert caught.value.reason == R.ERROR_REASON_PROVIDER_TIMEOUT


async def test_a_cancelled_call_leaves_the_provider_usable(
    adapter: Adapter, provider: HttpProvider, server: LlmServer
) -> None:
    server.play(Open(), Text("x"), Hang())
    async with aclosing(provider.stream(REQUEST, 30)) as stream:
        await anext(stream)
    server.play(Open(), Text("y"), Finish(adapter.stop), End())
    assert (await collect(provider))[0] == TextDelta("y")


# --- Anthropic's own citations ---


async def test_documents_go_apart_from_the_question_and_their_citations_come_after_the_text_they_are_about(
    server: LlmServer,
) -> None:
    provider = anthropic_provider(server.port)
    server.play(Open(), Text("Ten days."), Cite(1, 4, "ten days"), Text(" Maybe."), Finish("end_turn"), End())
    documents = (Document("a.md", "", "Nothing."), Document("b.md", "Leave; pages 2", "It: ten days."))
    prompt = RenderedPrompt("Be brief.", (Message("user", "How many?"),), documents)
    events = [event async for event in provider.stream(ProviderRequest("How many?", (), prompt), 5)]
    await provider.aclose()
    assert events[:-1] == [TextDelta("Ten days."), Cited(1, 4, "ten days"), TextDelta(" Maybe.")]
    [message] = server.requests[0].body["messages"]
    first, second, asked = message["content"]
    assert asked == {"type": "text", "text": "How many?"}
    assert second == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "It: ten days."},
        "title": "b.md",
        "context": "Leave; pages 2",
        "citations": {"enabled": True},
    }
    assert "context" not in first


@pytest.mark.parametrize(
    "citation",
    [
        {"type": "char_location", "document_index": "x", "start_char_index": 0, "cited_text": "y"},
        {"type": "char_location", "document_index": 0, "start_char_index": None, "cited_text": "y"},
        {"type": "char_location", "document_index": 0, "start_char_index": 0, "cited_text": 5},
        None,
    ],
)
async def test_a_citation_that_cannot_be_understood_is_a_bad_response(
    server: LlmServer, citation: object
) -> None:
    provider = anthropic_provider(server.port)
    delta = {"type": "citations_delta", "citation": citation}
    event = json.dumps({"type": "content_block_delta", "index": 0, "delta": delta})
    broken = Raw(f"event: content_block_delta\ndata: {event}\n\n".encode())
    server.play(Open(), Text("x"), broken, Finish("end_turn"), End())
    error, _ = await fail(provider)
    await provider.aclose()
    assert error.reason == R.ERROR_REASON_PROVIDER_BAD_RESPONSE
