"""Queries through the gateway: fallback, deadlines, and callers who leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import DegradationKind
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from tests.rpc.gateway_support import (
    CRASH,
    HANG,
    Failure,
    Step,
    System,
    answering,
    completed,
    failure,
    failure_of,
    running,
    started,
    text,
    until,
)

QUESTION = pb.QueryRequest(question="How many days of sick leave?")


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as running_system:
        yield running_system


async def ask(system: System, request: pb.QueryRequest = QUESTION, seconds: float = 10) -> pb.QueryResult:
    return (await system.api.Query(request, timeout=seconds)).result


async def stream(
    system: System, request: pb.QueryRequest = QUESTION, seconds: float = 10
) -> tuple[list[pb.StreamQueryResponse], Failure | None]:
    """All events, and how the stream failed if it did."""
    events = []
    try:
        async for event in system.api.StreamQuery(pb.StreamQueryRequest(query=request), timeout=seconds):
            events.append(event)
    except grpc.aio.AioRpcError as error:
        return events, failure_of(error)
    return events, None


def kinds(result: pb.QueryResult) -> list[str]:
    return [DegradationKind.Name(d.kind).removeprefix("DEGRADATION_KIND_") for d in result.degradations]


def attempts(result: pb.QueryResult) -> list[tuple[str, str]]:
    return [
        (a.provider, reasons.ErrorReason.Name(a.error_reason).removeprefix("ERROR_REASON_"))
        for a in result.attempts
    ]


FAULTS: list[tuple[str, list[Step]]] = [
    ("PROVIDER_TIMEOUT", [failure("PROVIDER_TIMEOUT")]),
    ("PROVIDER_OVERLOADED", [failure("PROVIDER_OVERLOADED")]),
    ("PROVIDER_RATE_LIMITED", [failure("PROVIDER_RATE_LIMITED", retry_after=30)]),
    ("PROVIDER_QUOTA_EXHAUSTED", [failure("PROVIDER_QUOTA_EXHAUSTED")]),
    ("PROVIDER_CREDENTIALS", [failure("PROVIDER_CREDENTIALS")]),
    ("PROVIDER_MODEL_NOT_FOUND", [failure("PROVIDER_MODEL_NOT_FOUND")]),
    ("PROVIDER_REJECTED_REQUEST", [failure("PROVIDER_REJECTED_REQUEST")]),
    ("PROVIDER_BAD_RESPONSE", [failure("PROVIDER_BAD_RESPONSE")]),
    ("STREAM_TRUNCATED", [started("a"), failure("STREAM_TRUNCATED", phase="BEFORE_FIRST_TOKEN")]),
    ("INTERNAL", [failure("INTERNAL")]),
]


@pytest.mark.parametrize(("reason", "script"), FAULTS, ids=[reason for reason, _ in FAULTS])
async def test_another_provider_answers_before_anything_was_shown(
    system: System, reason: str, script: list[Step]
) -> None:
    system.providers(a=[script], b=[answering("b")])
    result = await ask(system)
    events, failed = await stream(system)
    assert failed is None
    assert events[1].started.provider == "b"
    streamed = events[-1].completed
    assert (result.provider, streamed.provider) == ("b", "b")
    assert attempts(result) == [("a", reason), ("b", "UNSPECIFIED")]
    assert kinds(result) == ["PROVIDER_FALLBACK"]
    assert result.attempts[1].model == "b-model"


@pytest.mark.parametrize("reason", ["PROVIDER_CONNECTION", "PROVIDER_INTERNAL", "PROVIDER_CONFLICT"])
async def test_a_fault_that_may_pass_is_tried_again_at_the_same_provider(system: System, reason: str) -> None:
    system.providers(a=[[failure(reason)], answering("a")])
    result = await ask(system)
    assert attempts(result) == [("a", reason), ("a", "UNSPECIFIED")]
    assert kinds(result) == []


async def test_no_provider_is_changed_once_text_was_shown(system: System) -> None:
    broken = failure("STREAM_TRUNCATED", phase="MID_STREAM")
    system.providers(a=[[started("a"), text("Ten "), broken]], b=[answering("b")])
    events, failed = await stream(system)
    assert [event.WhichOneof("event") for event in events] == ["retrieved", "started", "text_delta"]
    assert failed is not None
    assert (failed.code, failed.reason, failed.domain) == (
        grpc.StatusCode.UNAVAILABLE,
        "STREAM_TRUNCATED",
        "docuquery.llm",
    )
    assert (failed.metadata["phase"], failed.metadata["provider"]) == ("MID_STREAM", "a")
    assert system.answer.asked == ["a"]


async def test_an_answer_service_that_dies_in_mid_stream_ends_the_stream(system: System) -> None:
    system.providers(a=[[started("a"), text("Ten "), CRASH]], b=[answering("b")])
    events, failed = await stream(system)
    assert len(events) == 3
    assert failed is not None
    assert (failed.reason, failed.metadata["service"], failed.metadata["phase"]) == (
        "SERVICE_UNAVAILABLE",
        "answer",
        "MID_STREAM",
    )


async def test_grpc_failing_before_the_first_token_is_tried_once_more_and_blames_no_provider(
    system: System,
) -> None:
    system.providers(a=[[CRASH], answering("a")])
    result = await ask(system)
    assert attempts(result) == [("a", "SERVICE_UNAVAILABLE"), ("a", "UNSPECIFIED")]
    status = await system.api.GetSystemStatus(pb.GetSystemStatusRequest())
    breakers = {breaker.target: breaker for breaker in status.breakers}
    assert breakers["service:answer"].failures == 1
    assert breakers["provider:a/a-model"].failures == 0


async def test_when_every_model_fails_sentences_are_picked_and_that_is_said(system: System) -> None:
    system.providers(a=[[failure("PROVIDER_OVERLOADED")]], b=[[failure("PROVIDER_CREDENTIALS")]])
    result = await ask(system)
    assert result.provider == "extractive"
    assert kinds(result) == ["PROVIDER_FALLBACK", "EXTRACTIVE_ONLY"]
    assert [provider for provider, _ in attempts(result)] == ["a", "b", "extractive"]


async def test_with_extractive_alone_nothing_is_degraded(system: System) -> None:
    result = await ask(system)
    assert (result.provider, kinds(result)) == ("extractive", [])


async def test_without_the_last_rung_the_error_lists_every_attempt_and_the_wait() -> None:
    async with running(extractive_fallback=False) as system:
        system.providers(
            a=[[failure("PROVIDER_RATE_LIMITED", retry_after=20)]], b=[[failure("PROVIDER_CREDENTIALS")]]
        )
        events, failed = await stream(system)
        assert events == []
        assert failed is not None
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "ALL_PROVIDERS_FAILED")
        assert failed.metadata["attempts"] == "a=PROVIDER_RATE_LIMITED, b=PROVIDER_CREDENTIALS"
        assert failed.retry_after == pytest.approx(20, abs=0.5)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await ask(system)
        assert failure_of(error.value).metadata["attempts"] == "a=CIRCUIT_OPEN, b=CIRCUIT_OPEN"
        assert system.answer.asked == ["a", "b"], "parked providers are left alone"


async def test_a_dead_provider_is_asked_five_times_and_then_no_more(system: System) -> None:
    system.providers(a=[[failure("PROVIDER_OVERLOADED")]], b=[answering("b")])
    for _ in range(12):
        assert (await ask(system)).provider == "b"
    assert system.answer.asked.count("a") == 5
    status = await system.api.GetSystemStatus(pb.GetSystemStatusRequest())
    assert [(p.name, p.available) for p in status.providers][:2] == [("a", False), ("b", True)]
    breaker = next(b for b in status.breakers if b.target == "provider:a/a-model")
    assert breaker.state == pb.BREAKER_STATE_OPEN
    assert breaker.last_reason == reasons.ERROR_REASON_PROVIDER_OVERLOADED
    assert breaker.HasField("retry_time")


async def test_the_configured_order_is_followed_and_the_caller_s_wish_goes_first() -> None:
    async with running(llm_provider="b,a") as system:
        system.providers(a=[answering("a")], b=[answering("b")])
        assert (await ask(system)).provider == "b"
        wish = pb.QueryRequest(question="How many days?", provider="a")
        result = await ask(system, wish)
        assert (result.provider, kinds(result)) == ("a", [])


async def test_an_unknown_wish_is_refused_with_what_there_is(system: System) -> None:
    system.providers(a=[answering("a")])
    _, failed = await stream(system, pb.QueryRequest(question="How many days?", provider="gemini"))
    assert failed is not None
    assert (failed.reason, failed.metadata["available"]) == ("PROVIDER_NOT_CONFIGURED", "a, extractive")


async def test_a_provider_that_was_added_is_found_without_a_restart(system: System) -> None:
    assert (await ask(system)).provider == "extractive"
    system.providers(a=[answering("a")])
    del system.answer.scripts["extractive"]
    system.answer.scripts["extractive"] = [[failure("PROVIDER_NOT_CONFIGURED")]]
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(system)
    assert (await ask(system)).provider == "a"


async def test_a_silent_provider_is_left_for_the_next_one() -> None:
    async with running(first_token_seconds=0.1) as system:
        system.providers(a=[[HANG]], b=[answering("b")])
        for _ in range(2):
            began = time.monotonic()
            assert (await ask(system)).provider == "b"
            assert 0.09 < time.monotonic() - began < 5
        events, _ = await stream(system)
        assert events[-1].completed.provider == "b"
        await until(lambda: system.answer.under_way == 0)
        assert system.answer.cancelled == 3


# --- follow-up questions ---


FOLLOW_UP = pb.QueryRequest(question="And for part-timers?", conversation_id="c1")


async def test_a_follow_up_is_made_self_contained_before_it_is_searched_for(system: System) -> None:
    system.providers(a=[answering("a")])
    result = await ask(system, FOLLOW_UP)
    assert result.question == "And for part-timers?"
    assert result.standalone_question == "How many days of sick leave are there?"
    assert result.conversation_id == "c1"
    assert system.retrieval.calls("Search")[0].request.query == result.standalone_question
    generation = system.answer.calls("Generate")[0].request
    assert (generation.question, generation.conversation_id) == (result.question, "c1")
    assert system.answer.calls("RewriteQuestion")[0].request.provider == "a"


async def test_a_follow_up_that_cannot_be_rewritten_is_answered_as_asked(system: System) -> None:
    system.answer.rewrite = failure("INTERNAL")
    result = await ask(system, FOLLOW_UP)
    assert kinds(result) == ["REWRITE_SKIPPED"]
    assert result.standalone_question == result.question


async def test_a_slow_rewrite_costs_no_more_than_its_slice(system: System) -> None:
    system.answer.rewrite = 30.0
    result = await ask(system, FOLLOW_UP, seconds=2)
    assert system.answer.calls("RewriteQuestion")[0].seconds_left < 0.45
    assert kinds(result) == ["REWRITE_SKIPPED"]


async def test_the_answer_service_ends_its_call_by_itself_so_that_it_can_keep_the_turn(
    system: System,
) -> None:
    system.providers(a=[[started("a"), completed("a"), 0.05]])
    await ask(system, FOLLOW_UP)
    await stream(system, FOLLOW_UP)
    assert (system.answer.wrapped_up, system.answer.cancelled) == (2, 0)


# --- deadlines ---


@pytest.mark.parametrize("allowed", [0.3, 0.8])
async def test_the_caller_s_deadline_is_kept_to_within_50_ms(system: System, allowed: float) -> None:
    system.providers(a=[[HANG]])
    system.answer.scripts["extractive"] = [[HANG]]
    late = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await ask(system, seconds=allowed)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        late.append(time.monotonic() - began - allowed)
    assert min(late) > -0.05
    assert min(late) < 0.05, "the best of three, for the sake of busy machines"
    await until(lambda: system.answer.under_way == 0)


@pytest.mark.parametrize(
    ("method", "said"),
    [("Query", "extractive=DEADLINE_EXCEEDED"), ("StreamQuery", "MID_STREAM"), ("GetStats", "retrieval")],
)
async def test_a_caller_whose_time_runs_out_hears_what_took_it(
    system: System, method: str, said: str
) -> None:
    """In one of four tries, for the sake of busy machines: gRPC itself gives no reason once time is up."""
    system.providers(a=[[started("a"), text("Ten "), HANG]])
    for _ in range(4):
        if method == "GetStats":
            system.relays["retrieval"].resume()
            await system.api.GetStats(pb.GetStatsRequest())
            system.relays["retrieval"].pause()
            call = system.api.GetStats(pb.GetStatsRequest(), timeout=1)
        elif method == "Query":
            system.answer.scripts["extractive"] = [[HANG]]
            call = system.api.Query(QUESTION, timeout=1)
        else:
            call = system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION), timeout=1)
            with suppress(grpc.aio.AioRpcError):
                while await call.read() is not grpc.aio.EOF:
                    pass
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        details = str(await call.trailing_metadata())
        if "DEADLINE_EXCEEDED" in details and said in details:
            return
    pytest.fail("nothing was said")


async def test_a_provider_that_is_configured_and_not_there_costs_no_call_a_question() -> None:
    async with running(llm_provider="ghost,a") as system:
        system.providers(a=[answering("a")])
        for _ in range(3):
            assert attempts(await ask(system)) == [("ghost", "PROVIDER_NOT_CONFIGURED"), ("a", "UNSPECIFIED")]
        assert len(system.answer.calls("ListProviders")) == 1


async def test_within_a_short_deadline_the_last_rung_still_answers(system: System) -> None:
    system.providers(a=[[HANG]])
    result = await ask(system, seconds=0.8)
    assert kinds(result) == ["PROVIDER_FALLBACK", "EXTRACTIVE_ONLY"]
    assert attempts(result)[0] == ("a", "DEADLINE_EXCEEDED")


async def test_callers_in_a_hurry_do_not_open_a_slow_provider_s_breaker(system: System) -> None:
    system.providers(a=[[0.5, *answering("a")]])
    for _ in range(6):
        assert (await ask(system, seconds=0.6)).provider == "extractive"
    assert (await ask(system)).provider == "a"


async def test_too_short_a_deadline_is_refused_before_any_work(system: System) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ask(system, seconds=0.03)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert system.retrieval.calls("Search") == []


async def test_every_outbound_call_has_a_timeout_within_the_caller_s(system: System) -> None:
    system.providers(a=[answering("a")])
    await ask(system, FOLLOW_UP, seconds=6)
    search, generate = system.retrieval.calls("Search")[0], system.answer.calls("Generate")[0]
    assert search.seconds_left == pytest.approx(2, abs=0.2)
    # 250 ms are kept for the last rung, 50 ms to say what failed.
    assert generate.seconds_left == pytest.approx(5.7, abs=0.2)
    assert system.answer.calls("RewriteQuestion")[0].seconds_left < 1.3


async def test_without_a_deadline_the_server_s_own_limit_holds() -> None:
    async with running(query_max_seconds=1.0, extractive_fallback=False) as system:
        system.providers(a=[[HANG]])
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await system.api.Query(QUESTION)
        assert 0.9 < time.monotonic() - began < 5
        assert failure_of(error.value).reason == "DEADLINE_EXCEEDED"


async def test_a_slow_search_gets_a_third_of_the_time(system: System) -> None:
    system.retrieval.search_seconds = 30
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ask(system, seconds=3)
    assert 0.9 < time.monotonic() - began < 2.5
    failed = failure_of(error.value)
    assert (failed.reason, failed.metadata["service"]) == ("DEADLINE_EXCEEDED", "retrieval")


# --- callers who leave ---


@pytest.mark.parametrize("script", [[HANG], [started("a"), HANG], [started("a"), text("Ten "), HANG]])
async def test_a_caller_who_leaves_takes_the_provider_s_call_along(
    system: System, script: list[Step]
) -> None:
    system.providers(a=[script], b=[answering("b")])
    call = system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION))
    await until(lambda: system.answer.under_way == 1)
    await asyncio.sleep(0.05)
    call.cancel()
    await until(lambda: system.answer.under_way == 0)
    assert system.answer.cancelled == 1
    assert system.answer.asked == ["a"], "nobody else is asked for a caller who has gone"
    status = await system.api.GetSystemStatus(pb.GetSystemStatusRequest())
    assert {breaker.failures for breaker in status.breakers} == {0}


async def test_a_caller_who_leaves_a_unary_query_does_too(system: System) -> None:
    system.providers(a=[[HANG]])
    call = system.api.Query(QUESTION)
    await until(lambda: system.answer.under_way == 1)
    call.cancel()
    await until(lambda: system.answer.under_way == 0)


async def test_how_to_search_is_the_callers_choice(system: System) -> None:
    chosen = {"rerank": False, "max_per_document": 2, "expand_chunks": 3}
    await ask(system, pb.QueryRequest(question="How many?", **chosen))
    await stream(system, pb.QueryRequest(question="How many?", **chosen))
    await ask(system)
    unary, streamed, plain = (seen.request for seen in system.retrieval.calls("Search"))
    assert streamed == unary
    assert {name: getattr(unary, name) for name in chosen} == chosen
    assert plain.rerank
    assert (plain.max_per_document, plain.expand_chunks) == (0, 2)


async def test_a_caller_who_leaves_during_a_search_ends_it(system: System) -> None:
    system.retrieval.search_seconds = 30
    call = system.api.Query(QUESTION)
    await until(lambda: system.retrieval.under_way == 1)
    call.cancel()
    await until(lambda: system.retrieval.under_way == 0)
    await asyncio.sleep(0.05)
    assert system.answer.calls("Generate") == []


async def test_a_caller_who_leaves_during_a_backoff_causes_no_further_call(system: System) -> None:
    wait = failure("PROVIDER_RATE_LIMITED", retry_after=0.4)
    system.providers(a=[[wait], answering("a")])
    call = system.api.Query(QUESTION)
    await until(lambda: system.answer.asked == ["a"])
    await asyncio.sleep(0.1)
    call.cancel()
    await asyncio.sleep(0.5)
    assert system.answer.asked == ["a"]
