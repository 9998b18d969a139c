"""The services behind the gateway killed, paused and restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadHeader
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from libs.errors import DocuQueryError
from tests.rpc.gateway_support import (
    CRASH,
    DOCUMENT_ID,
    HANG,
    Failure,
    System,
    answering,
    completed,
    failure_of,
    running,
    started,
    text,
    until,
)

QUESTION = pb.QueryRequest(question="How many days?")


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as running_system:
        await running_system.api.Query(QUESTION)
        yield running_system


async def failed(call: Any) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return failure_of(error.value)


async def health_of(system: System, name: str) -> int:
    async with grpc.aio.insecure_channel(system.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        return (await check(health_pb2.HealthCheckRequest(service=name))).status


async def status_of(system: System) -> pb.GetSystemStatusResponse:
    return await system.api.GetSystemStatus(pb.GetSystemStatusRequest())


@pytest.mark.parametrize("service", ["retrieval", "answer"])
async def test_a_killed_service_is_named_at_once(system: System, service: str) -> None:
    await system.relays[service].cut()
    began = time.monotonic()
    failure = await failed(system.api.Query(QUESTION))
    assert time.monotonic() - began < 2
    assert (failure.code, failure.reason, failure.metadata["service"]) == (
        grpc.StatusCode.UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        service,
    )


async def test_the_rest_goes_on_without_a_killed_service(system: System) -> None:
    await system.relays["answer"].cut()
    assert len((await system.api.Search(pb.SearchRequest(query="leave"))).passages) == 1
    await system.api.GetDocument(pb.GetDocumentRequest(document_id=DOCUMENT_ID))


async def test_the_status_is_shown_whatever_is_dead(system: System) -> None:
    for relay in system.relays.values():
        await relay.cut()
    began = time.monotonic()
    status = await status_of(system)
    assert time.monotonic() - began < 2.5
    assert status.state == pb.COMPONENT_STATE_UNREACHABLE
    assert [component.state for component in status.components] == [
        pb.COMPONENT_STATE_SERVING,
        *[pb.COMPONENT_STATE_UNREACHABLE] * 3,
    ]
    assert [provider.name for provider in status.providers] == ["extractive"], "known from before"
    assert len(status.breakers) == 4


async def test_the_gateway_starts_and_says_what_is_wrong_when_nothing_is_up() -> None:
    async with running() as system:
        for relay in system.relays.values():
            await relay.cut()
        status = await status_of(system)
        assert status.state == pb.COMPONENT_STATE_UNREACHABLE
        assert list(status.providers) == []
        assert (await failed(system.api.Query(QUESTION))).reason == "SERVICE_UNAVAILABLE"


async def test_a_dead_service_s_breaker_opens_and_refuses_fast_with_the_time_to_come_back(
    system: System,
) -> None:
    await system.relays["retrieval"].cut()
    seen = []
    for _ in range(7):
        failure = await failed(system.api.Search(pb.SearchRequest(query="leave")))
        seen.append(failure.reason)
    assert seen == ["SERVICE_UNAVAILABLE"] * 5 + ["CIRCUIT_OPEN"] * 2
    assert failure.metadata["target"] == "service:retrieval"
    assert failure.retry_after is not None
    assert 3 < failure.retry_after < 6.1


async def test_after_a_restart_the_breaker_closes_by_itself() -> None:
    async with running(breaker_open_seconds=0.3) as system:
        await system.relays["retrieval"].cut()
        for _ in range(5):
            await failed(system.api.Search(pb.SearchRequest(query="leave")))
        await system.relays["retrieval"].listen()
        async with asyncio.timeout(8):
            while True:
                try:
                    await system.api.Search(pb.SearchRequest(query="leave"))
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.1)
        await system.api.Search(pb.SearchRequest(query="leave"))
        breakers = {b.target: b.state for b in (await status_of(system)).breakers}
        assert breakers["service:retrieval"] == pb.BREAKER_STATE_CLOSED


async def test_a_long_stream_as_a_probe_keeps_no_other_call_waiting() -> None:
    async with running(breaker_open_seconds=0.2) as system:
        await system.api.Query(QUESTION)
        await system.relays["answer"].cut()
        for _ in range(3):  # two tries each
            await failed(system.api.Query(QUESTION))
        await system.relays["answer"].listen()
        system.providers(a=[[started("a"), text("Ten "), HANG], answering("a")])
        async with asyncio.timeout(8):
            while system.answer.asked.count("a") == 0:
                call = system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION))
                with suppress(grpc.aio.AioRpcError):
                    await call.read()
                await asyncio.sleep(0.1)
        assert system.answer.under_way == 1
        assert (await system.api.Query(QUESTION)).result.provider == "a"
        call.cancel()


async def test_a_probe_that_waits_for_a_slow_model_keeps_no_other_question_waiting() -> None:
    """The answer service has taken the call, so it works; how long its model thinks says nothing of it."""
    async with running(breaker_consecutive_failures=1) as system:
        system.providers(a=[answering("a")])
        await system.api.Query(QUESTION)
        await broken_and_back(system, "answer")
        system.answer.asked.clear()
        system.providers(a=[[HANG], [HANG], answering("a")])
        thinking = []
        for number in (1, 2):
            thinking.append(system.api.Query(QUESTION))
            await until(lambda number=number: system.answer.under_way == number)  # type: ignore[misc]
        assert (await system.api.Query(QUESTION)).result.provider == "a"
        for call in thinking:
            call.cancel()


async def test_a_probe_that_waits_for_its_caller_s_bytes_keeps_no_other_upload_waiting() -> None:
    async with running(breaker_consecutive_failures=1) as system:
        await broken_and_back(system, "ingest")
        idle = []
        for number in (1, 2):
            upload = system.api.UploadDocuments()
            await upload.write(pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a")))
            idle.append(upload)
            await until(lambda number=number: system.ingest.under_way == number)  # type: ignore[misc]
        await system.api.UploadDocument(pb.UploadDocumentRequest(filename="b.txt", content=b"b"))
        for upload in idle:
            upload.cancel()


async def broken_and_back(system: System, service: str) -> None:
    """A killed service, whose breaker has opened, is there again, and its breaker half open."""
    await system.relays[service].cut()
    if service == "ingest":
        call = system.api.UploadDocument(pb.UploadDocumentRequest(filename="a.txt", content=b"a"))
    else:
        call = system.api.Query(QUESTION)
    await failed(call)
    await system.relays[service].listen()
    async with asyncio.timeout(5):
        while await _breaker_state(system, f"service:{service}") != pb.BREAKER_STATE_HALF_OPEN:
            pass


async def _breaker_state(system: System, target: str) -> pb.BreakerState.ValueType:
    breakers = {breaker.target: breaker for breaker in (await status_of(system)).breakers}
    return breakers[target].state


async def test_an_operator_can_close_a_breaker_at_once(system: System) -> None:
    await system.relays["retrieval"].cut()
    for _ in range(5):
        await failed(system.api.Search(pb.SearchRequest(query="leave")))
    request = admin.OverrideBreakerRequest(
        target="service:retrieval", override=admin.BREAKER_OVERRIDE_AUTOMATIC
    )
    response = await system.admin.OverrideBreaker(request)
    assert (response.breaker.state, response.breaker.forced) == (pb.BREAKER_STATE_CLOSED, False)
    assert (await failed(system.api.Search(pb.SearchRequest(query="leave")))).reason == "SERVICE_UNAVAILABLE"


async def test_errors_a_service_raises_never_open_its_breaker(system: System) -> None:
    unknown = pb.GetDocumentRequest(document_id="00000000-0000-5000-8000-000000000000")
    for _ in range(12):
        assert (await failed(system.api.GetDocument(unknown))).reason == "DOCUMENT_NOT_FOUND"
    system.retrieval.error = DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "The store is down.")
    for _ in range(12):
        assert (await failed(system.api.GetStats(pb.GetStatsRequest()))).reason == "STORE_UNAVAILABLE"


async def test_a_paused_answer_service_is_noticed_and_blames_no_provider(system: System) -> None:
    system.providers(a=[answering("a")])
    system.relays["answer"].pause()
    began = time.monotonic()
    failure = await failed(system.api.Query(QUESTION, timeout=20))
    assert time.monotonic() - began < 5.5
    assert (failure.reason, failure.metadata["service"]) == ("SERVICE_UNAVAILABLE", "answer")
    breakers = {b.target: b for b in (await status_of(system)).breakers}
    assert breakers["service:answer"].failures == 2
    assert all(b.failures == 0 for target, b in breakers.items() if target.startswith("provider:"))
    system.relays["answer"].resume()
    async with asyncio.timeout(5):
        await system.api.Query(QUESTION)


async def test_while_the_providers_are_not_known_a_caller_in_a_hurry_hears_that_its_time_ran_out() -> None:
    async with running() as system:
        system.relays["answer"].pause()
        failures = await asyncio.gather(*(failed(system.api.Query(QUESTION, timeout=1.2)) for _ in range(3)))
        assert {failure.reason for failure in failures} == {"DEADLINE_EXCEEDED"}


async def test_an_answer_service_that_dies_in_mid_answer_counts_as_broken() -> None:
    async with running() as system:
        system.providers(a=[[started("a"), text("Ten "), CRASH]])
        for number in range(1, 5):
            call = system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION))
            with pytest.raises(grpc.aio.AioRpcError):
                _ = [event async for event in call]
            breakers = {b.target: b for b in (await status_of(system)).breakers}
            assert breakers["service:answer"].failures == number
            assert breakers["provider:a/a-model"].failures == 0


async def test_a_caller_who_reads_too_slowly_counts_against_nobody() -> None:
    async with running(query_max_seconds=2.3) as system:
        system.providers(a=[[started("a"), *[text("x" * 60_000)] * 400, completed("a")]])
        options = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.insecure_channel(system.address, options=options) as channel:
            call = DocuQueryServiceStub(channel).StreamQuery(pb.StreamQueryRequest(query=QUESTION))
            await until(lambda: system.answer.cancelled == 1, 5)  # its time is up
            with pytest.raises(grpc.aio.AioRpcError) as error:
                _ = [event async for event in call]
            assert failure_of(error.value).reason == "DEADLINE_EXCEEDED"
        assert {breaker.failures for breaker in (await status_of(system)).breakers} == {0}


async def test_waiting_for_a_service_to_come_back_is_part_of_the_call_s_time(system: System) -> None:
    """In one of four tries: a channel tries again every 0.1 to 0.5 s, and a call waits for 0.6 s."""
    relay = system.relays["retrieval"]
    for _ in range(4):
        await relay.cut()
        async with asyncio.timeout(10):
            while (await health_of(system, "readiness")) != health_pb2.HealthCheckResponse.NOT_SERVING:
                pass
        call = system.api.GetStats(pb.GetStatsRequest(), timeout=10)
        await asyncio.sleep(0.2)  # this is what it waits, at the least
        await relay.listen()
        if await call.code() is grpc.StatusCode.OK:
            assert system.retrieval.calls("GetStats")[-1].seconds_left < 9.9
            return
        async with asyncio.timeout(10):
            while (await health_of(system, "readiness")) != health_pb2.HealthCheckResponse.SERVING:
                pass
    pytest.fail("no call was kept until the service was back")


async def test_callers_who_spend_the_time_of_their_uploads_open_no_breaker(system: System) -> None:
    async def dawdle() -> None:
        upload = system.api.UploadDocuments(timeout=2.2)
        await upload.write(pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a")))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            _ = [response async for response in upload]
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    await asyncio.gather(*(dawdle() for _ in range(5)))
    await system.api.UploadDocument(pb.UploadDocumentRequest(filename="a.txt", content=b"x"))


@pytest.mark.parametrize("method", ["UploadDocument", "UploadDocuments"])
async def test_an_ingest_service_that_acknowledges_and_then_always_dies_counts_as_broken(
    system: System, method: str
) -> None:
    for number in range(1, 5):
        if method == "UploadDocument":
            await failed(system.api.UploadDocument(pb.UploadDocumentRequest(filename="a", content=b"crash")))
        else:
            upload = system.api.UploadDocuments(iter(document(b"crash")))
            with pytest.raises(grpc.aio.AioRpcError):
                _ = [response async for response in upload]
        assert await breaker_counts(system, "service:ingest") == (number, number)


async def test_a_document_that_ingest_refuses_shows_that_it_works(system: System) -> None:
    await failed(system.api.UploadDocument(pb.UploadDocumentRequest(filename="a", content=b"no text")))
    assert await breaker_counts(system, "service:ingest") == (1, 0)


def document(content: bytes) -> list[pb.UploadDocumentsRequest]:
    return [
        pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a")),
        pb.UploadDocumentsRequest(upload_id="1", data=content),
        pb.UploadDocumentsRequest(upload_id="1", footer=UploadFooter()),
    ]


async def breaker_counts(system: System, target: str) -> tuple[int, int]:
    """Calls and failures in a breaker's window."""
    (breaker,) = [breaker for breaker in (await status_of(system)).breakers if breaker.target == target]
    return breaker.calls, breaker.failures


async def test_a_message_too_large_is_its_caller_s_affair_and_opens_no_breaker() -> None:
    """What a service is sent can be a few bytes longer than what its caller sent, and a reply far longer."""
    most = 256 * 1024
    async with running(max_message_bytes=most, unary_upload_max_bytes=1024) as system:
        search, upload = pb.SearchRequest(query="leave"), pb.UploadDocumentRequest(filename="a", content=b"a")
        source = search.filter.conditions.add(field="source").equals
        source.string_value = upload.password = "x" * (most - 100)
        source.string_value += "x" * (most - search.ByteSize())
        upload.password += "x" * (most - upload.ByteSize())
        system.retrieval.document.filename = "x" * most
        for _ in range(6):
            for call in (
                system.api.Search(search),
                system.api.UploadDocument(upload),
                system.api.ListDocuments(pb.ListDocumentsRequest()),
            ):
                failure = await failed(call)
                assert (failure.code, failure.reason) == (
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "MESSAGE_TOO_LARGE",
                )
        assert {breaker.failures for breaker in (await status_of(system)).breakers} == {0}


async def test_what_ends_an_upload_for_its_caller_s_fault_says_nothing_of_ingest() -> None:
    async with running(upload_idle_seconds=0.1) as system:
        upload = system.api.UploadDocuments()
        assert (await failed(upload.read())).reason == "UPLOAD_INCOMPLETE"
        (breaker,) = [b for b in (await status_of(system)).breakers if b.target == "service:ingest"]
        assert (breaker.calls, breaker.failures) == (0, 0)


@pytest.mark.slow
async def test_an_upload_to_a_paused_ingest_service_ends_when_keepalive_gives_it_up(system: System) -> None:
    """After 12 and 3 s, where neither side has set a time of its own."""
    upload = system.api.UploadDocuments()
    await upload.write(pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a")))
    await until(lambda: system.ingest.under_way == 1)
    system.relays["ingest"].pause()
    await upload.write(pb.UploadDocumentsRequest(upload_id="1", footer=UploadFooter()))
    await upload.done_writing()
    async with asyncio.timeout(30):
        acknowledged = await upload.read()
        assert acknowledged.progress.failed.reason == reasons.ERROR_REASON_SERVICE_UNAVAILABLE
        assert (await failed(upload.read())).metadata["service"] == "ingest"


async def test_a_paused_retrieval_service_costs_its_share_of_the_time(system: System) -> None:
    system.relays["retrieval"].pause()
    began = time.monotonic()
    failure = await failed(system.api.Query(QUESTION, timeout=3))
    assert 0.9 < time.monotonic() - began < 2.5
    assert (failure.reason, failure.metadata["service"]) == ("DEADLINE_EXCEEDED", "retrieval")


async def test_a_fault_of_ours_reaches_the_caller_without_its_text(system: System) -> None:
    system.retrieval.error = "not an error at all"  # type: ignore[assignment]  # raising it is the fault
    failure = await failed(system.api.GetStats(pb.GetStatsRequest()))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "exceptions must derive" not in failure.message
