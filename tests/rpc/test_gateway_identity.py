"""Who calls, for which tenant, under which request id, and how often."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadHeader
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from tests.contract.redis_server import redis_server
from tests.rpc.gateway_support import (
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

KEYS = json.dumps(
    [
        {
            "tenant": tenant,
            "name": name,
            "sha256": hashlib.sha256(f"key of {name}".encode()).hexdigest(),
            "scopes": scopes,
        }
        for tenant, name, scopes in (
            ("default", "reader", ["read"]),
            ("default", "writer", ["read", "write"]),
            ("globex", "other", ["read", "write"]),
            ("default", "operator", ["admin", "read"]),
        )
    ]
)

QUESTION = pb.QueryRequest(question="How many days?")
OVERRIDE = admin.OverrideBreakerRequest(target="service:answer", override=admin.BREAKER_OVERRIDE_FORCE_CLOSED)


def key(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer key of {name}"),)


@pytest.fixture
async def keyed() -> AsyncIterator[System]:
    async with running(api_keys=KEYS) as system:
        yield system


async def refused(call: Any) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return failure_of(error.value)


async def test_without_a_key_nothing_is_served(keyed: System) -> None:
    failure = await refused(keyed.api.Query(QUESTION))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        async for _ in keyed.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION)):
            pytest.fail("nothing comes")
    assert failure_of(error.value).reason == "CREDENTIALS_MISSING"
    assert keyed.answer.seen == keyed.retrieval.seen == []


async def test_an_unknown_key_is_refused(keyed: System) -> None:
    failure = await refused(keyed.api.Query(QUESTION, metadata=key("nobody")))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


async def test_a_reader_reads_and_writes_not(keyed: System) -> None:
    await keyed.api.Query(QUESTION, metadata=key("reader"))
    failure = await refused(
        keyed.api.DeleteDocument(pb.DeleteDocumentRequest(document_id=DOCUMENT_ID), metadata=key("reader"))
    )
    assert (failure.code, failure.reason, failure.metadata["required_scope"]) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "SCOPE_MISSING",
        "write",
    )
    call = keyed.api.UploadDocuments(iter([]), metadata=key("reader"))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call.read()
    assert failure_of(error.value).reason == "SCOPE_MISSING"
    assert keyed.ingest.seen == []


async def test_only_an_operator_may_override_a_breaker_and_the_log_says_which(keyed: System) -> None:
    failure = await refused(keyed.admin.OverrideBreaker(OVERRIDE, metadata=key("writer")))
    assert failure.metadata["required_scope"] == "admin"
    for_an_hour = admin.OverrideBreakerRequest()
    for_an_hour.CopyFrom(OVERRIDE)
    for_an_hour.duration.seconds = 3600
    with structlog.testing.capture_logs() as lines:
        response = await keyed.admin.OverrideBreaker(for_an_hour, metadata=key("operator"))
    assert response.breaker.forced
    assert response.breaker.HasField("forced_until")
    overridden = [line for line in lines if line["event"] == "breaker_overridden"]
    assert [(line["by"], line["seconds"]) for line in overridden] == [("operator", 3600)]


def _every_unary_call(api: Any) -> list[tuple[Any, Any]]:
    return [
        (api.GetDocument, pb.GetDocumentRequest(document_id=DOCUMENT_ID)),
        (api.DeleteDocument, pb.DeleteDocumentRequest(document_id=DOCUMENT_ID)),
        (api.GetPassage, pb.GetPassageRequest(document_id=DOCUMENT_ID, char_end=1)),
        (api.GetConversation, pb.GetConversationRequest(conversation_id="c1")),
        (api.DeleteConversation, pb.DeleteConversationRequest(conversation_id="c1")),
        (api.ListDocuments, pb.ListDocumentsRequest()),
        (api.GetStats, pb.GetStatsRequest()),
        (api.Search, pb.SearchRequest(query="leave")),
        (api.Query, QUESTION),
        (api.ListPrompts, pb.ListPromptsRequest()),
        (api.UploadDocument, pb.UploadDocumentRequest(filename="a.txt", content=b"x")),
    ]


async def test_the_key_s_tenant_goes_with_every_call_and_callers_cannot_choose_it(keyed: System) -> None:
    metadata = (*key("other"), ("x-docuquery-tenant", "default"))
    for method, request in _every_unary_call(keyed.api):
        call = method(request, metadata=metadata)
        # Another tenant's documents and conversations are not there.
        assert await call.code() in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)
    async for _ in keyed.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION), metadata=metadata):
        pass
    messages = [
        pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a")),
        pb.UploadDocumentsRequest(upload_id="1", footer=UploadFooter()),
    ]
    async for _ in keyed.api.UploadDocuments(iter(messages), metadata=metadata):
        pass
    seen = [*keyed.ingest.seen, *keyed.retrieval.seen, *keyed.answer.seen]
    assert {call.method for call in seen} >= {
        "IngestDocuments",
        "Search",
        "GetDocument",
        "DeleteDocument",
        "GetPassage",
        "ListDocuments",
        "GetStats",
        "Generate",
        "GetConversation",
        "DeleteConversation",
        "ListPrompts",
        "ListProviders",
    }
    assert {call.tenant for call in seen} == {"globex"}


async def test_health_is_open_without_a_key(keyed: System) -> None:
    async with grpc.aio.insecure_channel(keyed.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        for service in (
            "",
            "docuquery.gateway.v1.DocuQueryService",
            "docuquery.gateway.v1.AdminService",
        ):
            response = await check(health_pb2.HealthCheckRequest(service=service))
            assert response.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_and_reflection_can_be_kept_for_those_with_a_key() -> None:
    async with (
        running(api_keys=KEYS, health_open=False, reflection_open=False) as system,
        grpc.aio.insecure_channel(system.address) as channel,
    ):
        check = health_pb2_grpc.HealthStub(channel).Check
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        request = health_pb2.HealthCheckRequest()
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        failure = await refused(check(request))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
        assert (await refused(check(request, metadata=key("nobody")))).reason == "CREDENTIALS_INVALID"
        assert await reflect(iter(asked)).code() is grpc.StatusCode.UNAUTHENTICATED
        await check(request, metadata=key("reader"))
        assert await reflect(iter(asked), metadata=key("reader")).read() is not grpc.aio.EOF


async def test_keys_come_and_go_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    entries = json.loads(KEYS)

    def write(*names: str) -> None:
        file.write_text(json.dumps([entry for entry in entries if entry["name"] in names]))

    write("reader")
    async with running(api_keys_file=file) as system:
        await becomes(system, "reader", grpc.StatusCode.OK)
        await becomes(system, "writer", grpc.StatusCode.UNAUTHENTICATED)
        write("writer")
        await becomes(system, "writer", grpc.StatusCode.OK)
        await becomes(system, "reader", grpc.StatusCode.UNAUTHENTICATED)


async def becomes(system: System, name: str, code: grpc.StatusCode) -> None:
    """Waits until a call with this key ends so."""
    async with asyncio.timeout(10):
        while await system.api.GetStats(pb.GetStatsRequest(), metadata=key(name)).code() is not code:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_key_that_is_taken_away_ends_its_uploads_with_their_next_message(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    entries = json.loads(KEYS)
    file.write_text(KEYS)
    header = pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a.txt"))
    data = pb.UploadDocumentsRequest(upload_id="1", data=b"x")
    async with running(api_keys_file=file) as system:
        uploads = [system.api.UploadDocuments(metadata=key("writer")) for _ in range(2)]
        for upload in uploads:
            await upload.write(header)
        await until(lambda: system.ingest.under_way == 2)
        file.write_text(json.dumps([entry for entry in entries if entry["name"] != "reader"]))
        await becomes(system, "reader", grpc.StatusCode.UNAUTHENTICATED)
        await uploads[0].write(data)
        await until(lambda: system.ingest.pieces == [1])
        file.write_text(json.dumps([entry for entry in entries if entry["name"] == "reader"]))
        await becomes(system, "reader", grpc.StatusCode.OK)
        for upload in uploads:
            await upload.write(data)
            unfinished = await upload.read()
            assert unfinished.progress.failed.reason == reasons.ERROR_REASON_CREDENTIALS_INVALID
            assert (await refused(upload.read())).reason == "CREDENTIALS_INVALID"
        assert system.ingest.pieces == [1]


async def test_no_key_and_no_digest_is_ever_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        async with running(api_keys=KEYS) as system:
            await system.api.GetStats(pb.GetStatsRequest(), metadata=key("reader"))
            await refused(system.api.GetStats(pb.GetStatsRequest(), metadata=key("nobody")))
    said = json.dumps(logs, default=str)
    assert "GetStats" in said
    for secret in ("key of reader", "key of nobody", hashlib.sha256(b"key of reader").hexdigest()):
        assert secret not in said


async def test_the_caller_s_request_id_comes_back_and_goes_to_every_service() -> None:
    async with running() as system:
        call = system.api.Query(
            pb.QueryRequest(question="How many days?", conversation_id="c1"),
            metadata=(("x-request-id", "order-66"),),
        )
        assert dict(await call.initial_metadata())["x-request-id"] == "order-66"
        await call
        seen = [*system.retrieval.seen, *system.answer.seen]
        assert {record.method for record in seen} == {
            "Search",
            "Generate",
            "RewriteQuestion",
            "ListProviders",
        }
        assert {record.request_id for record in seen} == {"order-66"}


async def test_a_failure_carries_the_request_id() -> None:
    async with running() as system:
        failure = await refused(system.api.Query(pb.QueryRequest(), metadata=(("x-request-id", "order-67"),)))
        assert failure.metadata["request_id"] == "order-67"


async def test_a_caller_over_its_limit_is_refused_with_the_true_wait() -> None:
    async with running(rate_limit_requests=3, rate_limit_window_seconds=30, api_keys=KEYS) as system:
        for _ in range(3):
            await system.api.GetStats(pb.GetStatsRequest(), metadata=key("reader"))
        failure = await refused(system.api.Search(pb.SearchRequest(query="x"), metadata=key("reader")))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
        assert failure.retry_after == pytest.approx(30, abs=1)
        await system.api.GetStats(pb.GetStatsRequest(), metadata=key("writer"))
        await system.api.GetSystemStatus(pb.GetSystemStatusRequest(), metadata=key("reader"))


async def test_a_key_s_rate_class_decides_its_limit() -> None:
    keys = json.loads(KEYS)
    keys[0]["rate_class"] = "batch"
    async with running(
        rate_limit_requests=1, rate_limit_classes="batch=3", api_keys=json.dumps(keys)
    ) as system:
        for _ in range(3):
            await system.api.GetStats(pb.GetStatsRequest(), metadata=key("reader"))
        await system.api.GetStats(pb.GetStatsRequest(), metadata=key("writer"))
        for name in ("reader", "writer"):
            failure = await refused(system.api.GetStats(pb.GetStatsRequest(), metadata=key(name)))
            assert failure.reason == "RATE_LIMITED"


@pytest.mark.externals
async def test_replicas_share_their_limits_and_go_on_without_redis(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        settings: dict[str, Any] = {"rate_limit_requests": 4, "gateway_replicas": 2, "state_url": redis.url}
        async with running(**settings) as first, running(**settings) as second:

            async def passed() -> int:
                calls = [one.api.GetStats(pb.GetStatsRequest()) for one in (first, second) * 4]
                return [await call.code() for call in calls].count(grpc.StatusCode.OK)

            assert await passed() == 4
            redis.kill()
            assert await passed() == 4, "two each"
            status = await first.api.GetSystemStatus(pb.GetSystemStatusRequest())
            assert {b.target: b.failures for b in status.breakers}["service:redis"] > 0


async def test_without_room_calls_wait_a_moment_and_are_then_refused_with_a_time_to_return() -> None:
    async with running(query_concurrency=2, admission_wait_seconds=0.2) as system:
        system.providers(a=[[HANG]])
        held = [system.api.Query(QUESTION) for _ in range(2)]
        await until(lambda: system.answer.under_way == 2)
        failure = await refused(system.api.Query(QUESTION))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert failure.retry_after is not None
        assert 0.1 <= failure.retry_after <= 30
        await system.api.GetStats(pb.GetStatsRequest())  # another kind of call has room of its own
        held.pop().cancel()
        await until(lambda: system.answer.under_way == 1)
        system.answer.scripts["a"] = [answering("a")]
        await system.api.Query(QUESTION)
        for call in held:
            call.cancel()


async def test_uploads_never_starve_questions() -> None:
    async with running(upload_concurrency=1, admission_wait_seconds=0) as system:
        upload = system.api.UploadDocuments()
        await upload.write(pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a")))
        await until(lambda: system.ingest.under_way == 1)
        assert (await refused(system.api.UploadDocuments(iter([])).read())).reason == "OVERLOADED"
        await system.api.Query(QUESTION)
        upload.cancel()


async def test_long_uploads_of_one_caller_leave_a_place_for_another() -> None:
    async with running(upload_concurrency=4, admission_wait_seconds=0, api_keys=KEYS) as system:
        header = pb.UploadDocumentsRequest(upload_id="1", header=UploadHeader(filename="a"))
        held = []
        for name in ("writer", "writer", "writer", "other"):
            if len(held) == 3:
                over = system.api.UploadDocuments(iter([header]), metadata=key("writer"))
                failure = await refused(over.read())
                assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
                assert failure.retry_after is not None
            held.append(system.api.UploadDocuments(metadata=key(name)))
            await held[-1].write(header)
            await until(lambda: system.ingest.under_way == len(held))
        for upload in held:
            upload.cancel()


async def test_a_caller_that_does_not_read_keeps_its_place_no_longer_than_a_question_may_take() -> None:
    """With a deadline of its own or without: flow control holds its answer back for good."""
    async with running(query_concurrency=2, query_max_seconds=1, admission_wait_seconds=0.1) as system:
        long = [started("a"), *[text("x" * 60_000)] * 40, completed("a")]
        system.providers(a=[long, long, answering("a")])
        options = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.insecure_channel(system.address, options=options) as channel:
            api = DocuQueryServiceStub(channel)
            unread = [
                api.StreamQuery(pb.StreamQueryRequest(query=QUESTION), timeout=seconds)
                for seconds in (None, 600)
            ]
            await until(lambda: len(system.answer.asked) == 2)
            assert (await refused(system.api.Query(QUESTION))).reason == "OVERLOADED"
            async with asyncio.timeout(10):
                while await (call := system.api.Query(QUESTION)).code() is not grpc.StatusCode.OK:
                    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            for stream in unread:
                stream.cancel()


async def test_whoever_waits_as_told_passes() -> None:
    async with running(rate_limit_requests=1, rate_limit_window_seconds=1) as system:
        await system.api.GetStats(pb.GetStatsRequest())
        failure = await refused(system.api.GetStats(pb.GetStatsRequest()))
        assert failure.retry_after is not None
        await asyncio.sleep(failure.retry_after + 0.01)
        await system.api.GetStats(pb.GetStatsRequest())


async def test_streams_count_against_the_limit_too() -> None:
    async with running(rate_limit_requests=1) as system:
        async for _ in system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION)):
            pass
        call = system.api.UploadDocuments(iter([]))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call.read()
        assert failure_of(error.value).reason == "RATE_LIMITED"
