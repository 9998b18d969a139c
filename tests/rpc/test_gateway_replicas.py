"""Several replicas behind the gateway, and what a restart of one costs its callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadHeader
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.rpc.gateway_support import (
    CRASH,
    HANG,
    System,
    answering,
    failure,
    failure_of,
    running,
    started,
    text,
    until,
)

QUESTION = pb.QueryRequest(question="How many days?")
SEARCH = pb.SearchRequest(query="leave")


@pytest.fixture
async def two() -> AsyncIterator[System]:
    async with running(replicas=2) as system:
        await system.api.Query(QUESTION)
        yield system


async def outcomes(system: System, count: int) -> list[str]:
    """What became of `count` questions, one after the other."""
    seen = []
    for _ in range(count):
        call = system.api.Query(QUESTION, timeout=20)
        seen.append((await call.code()).name)
    return seen


async def health_of(system: System, name: str) -> int:
    async with grpc.aio.insecure_channel(system.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        return (await check(health_pb2.HealthCheckRequest(service=name))).status


async def test_a_dead_replica_costs_no_question(two: System) -> None:
    for service in ("retrieval", "answer"):
        await two.relays[service].cut()
        assert set(await outcomes(two, 10)) == {"OK"}
        await two.relays[service].listen()
        await two.relays[f"{service}-2"].cut()
        assert set(await outcomes(two, 10)) == {"OK"}
        await two.relays[f"{service}-2"].listen()


async def test_a_question_under_way_when_its_replica_dies_is_answered_by_another(two: System) -> None:
    two.retrieval.search_seconds = 0.3
    asked = [asyncio.ensure_future(two.api.Query(QUESTION)) for _ in range(8)]
    await until(lambda: two.retrieval.under_way == 8)
    await two.relays["retrieval"].cut()
    assert {answered.result.answer for answered in await asyncio.gather(*asked)} == {"Ten days."}


async def test_calls_that_break_with_one_replica_do_not_close_the_other_off() -> None:
    async with running(replicas=2) as system:
        system.providers(a=[[started("a"), text("Ten "), HANG]])
        question = pb.StreamQueryRequest(query=QUESTION)
        readers = [
            # One of which nobody has heard is asked again, and does not break.
            *await broken_together(system, "answer", lambda: system.api.StreamQuery(question), heard=True),
            *await broken_together(system, "ingest", lambda: system.api.UploadDocuments(unfinished())),
        ]
        system.providers(a=[answering("a")])
        for _ in range(4):
            assert (await system.api.Query(QUESTION)).result.provider == "a"
            await system.api.UploadDocument(pb.UploadDocumentRequest(filename="b.txt", content=b"b"))
        await ended(readers)


async def unfinished() -> AsyncIterator[pb.UploadDocumentsRequest]:
    """The beginning of an upload."""
    yield pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a"))
    await asyncio.Event().wait()


async def broken_together(
    system: System, service: str, open_stream: Callable[[], AsyncIterable[object]], *, heard: bool = False
) -> list[asyncio.Task[None]]:
    """Readers of streams of which five or more break with the first replica of `service`.

    It has about half of them once both are connected, which takes a moment. heard: each has said something.
    """
    fake, relay = {"answer": system.answer, "ingest": system.ingest}[service], system.relays[service]
    for _ in range(4):
        speaking = [asyncio.Event() for _ in range(14)]
        readers = [asyncio.create_task(broken(open_stream(), spoke)) for spoke in speaking]
        await until(lambda: fake.under_way == 14, 10)
        if heard:
            await asyncio.gather(*(spoke.wait() for spoke in speaking))
        await relay.cut()
        with suppress(TimeoutError):
            await until(lambda readers=readers: sum(r.done() for r in readers) >= 5, 5)  # type: ignore[misc]
            return readers
        await ended(readers)
        await until(lambda: fake.under_way == 0, 10)
        await relay.listen()
    raise AssertionError("the first replica was sent hardly any stream")


async def ended(readers: list[asyncio.Task[None]]) -> None:
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def broken(call: AsyncIterable[object], spoke: asyncio.Event) -> None:
    """Reads until the stream breaks."""
    with suppress(grpc.aio.AioRpcError):
        async for _ in call:
            spoke.set()


async def test_replicas_that_all_fail_open_the_breaker_nevertheless() -> None:
    async with running(replicas=2) as system:
        system.providers(a=[[CRASH]])
        async with asyncio.timeout(20):
            while await outcome(system) != "CIRCUIT_OPEN":
                pass


async def outcome(system: System) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await system.api.Query(QUESTION)
    return failure_of(error.value).reason


async def test_a_paused_replica_delays_a_search_by_half_a_second_and_fails_none(two: System) -> None:
    two.relays["retrieval"].pause()
    with capture_logs() as logs:
        for _ in range(4):
            began = time.monotonic()
            await two.api.Search(SEARCH, timeout=15)
            assert time.monotonic() - began < 4, "a third of the time, if nobody else was asked"
    assert "shedding_load" not in [line["event"] for line in logs], "it is gone, and not too busy"


async def test_a_search_asked_of_a_second_replica_takes_no_longer_than_it_may(two: System) -> None:
    two.retrieval.search_seconds = 30
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await two.api.Search(pb.SearchRequest(query="leave"), timeout=1.5)
    assert failure_of(error.value).reason == "DEADLINE_EXCEEDED"
    first, second = two.retrieval.calls("Search")[-2:]
    assert second.seconds_left < first.seconds_left - 0.4


async def test_a_replica_that_is_shutting_down_is_passed_over(two: System) -> None:
    two.retrieval.error = DocuQueryError(reasons.ERROR_REASON_SHUTTING_DOWN, "Shutting down.")
    call = two.api.Search(SEARCH)
    await until(lambda: len(two.retrieval.calls("Search")) >= 2)
    two.retrieval.error = None
    await call


@pytest.mark.parametrize("reason", ["STORE_UNAVAILABLE", "EMBEDDER_UNAVAILABLE"])
async def test_what_a_service_says_on_purpose_is_not_asked_again_by_grpc(two: System, reason: str) -> None:
    two.retrieval.error = failure(reason)
    before = len(two.retrieval.seen)
    assert await two.api.GetStats(pb.GetStatsRequest()).code() is grpc.StatusCode.UNAVAILABLE
    assert len(two.retrieval.seen) == before + 1


async def test_a_generation_is_never_sent_again_by_grpc() -> None:
    async with running(replicas=2) as system:
        system.providers(a=[[CRASH]], b=[answering("b")])
        assert await system.api.Query(QUESTION).code() is grpc.StatusCode.UNAVAILABLE
        assert system.answer.asked == ["a", "a"], "the second is the gateway's own, counted attempt"


async def test_a_restarted_service_is_used_again_within_a_second() -> None:
    async with running() as system:
        await system.api.Search(SEARCH)
        await system.relays["retrieval"].cut()
        gone_since = time.monotonic()
        while time.monotonic() - gone_since < 3:  # long enough for the breaker to open and gRPC to back off
            assert await system.api.Search(SEARCH).code() is grpc.StatusCode.UNAVAILABLE
            await asyncio.sleep(0.05)
        await system.relays["retrieval"].listen()
        back_since = time.monotonic()
        while await system.api.Search(SEARCH).code() is not grpc.StatusCode.OK:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        assert time.monotonic() - back_since < 1


async def test_a_service_back_in_a_moment_is_waited_for() -> None:
    async with running() as system:
        await system.api.Search(SEARCH)
        await system.relays["retrieval"].cut()
        call = asyncio.ensure_future(system.api.Search(SEARCH))
        await asyncio.sleep(0.05)
        await system.relays["retrieval"].listen()
        await call


async def test_readiness_follows_what_questions_need_and_liveness_does_not() -> None:
    async with running() as system:
        ready = health_pb2.HealthCheckResponse.SERVING

        async def becomes(status: bool) -> None:
            async with asyncio.timeout(5):
                while (await health_of(system, "readiness") == ready) != status:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.02)

        await becomes(True)
        await system.relays["ingest"].cut()
        await asyncio.sleep(0.1)
        await becomes(True)
        for service in ("retrieval", "answer"):
            await system.relays[service].cut()
            await becomes(False)
            assert await health_of(system, "liveness") == await health_of(system, "") == ready
            await system.relays[service].listen()
            await becomes(True)


async def test_an_open_provider_breaker_leaves_the_gateway_ready() -> None:
    async with running() as system:
        system.providers(a=[[failure("PROVIDER_OVERLOADED")]])
        for _ in range(6):
            await system.api.Query(QUESTION)
        status = await system.api.GetSystemStatus(pb.GetSystemStatusRequest())
        assert pb.BREAKER_STATE_OPEN in [breaker.state for breaker in status.breakers]
        assert await health_of(system, "readiness") == health_pb2.HealthCheckResponse.SERVING
