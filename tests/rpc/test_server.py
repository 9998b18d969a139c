"""What every service gets from the shared server, over real loopback calls."""

from __future__ import annotations

import asyncio
import collections
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from docuquery.answer.v1 import answer_service_pb2 as pb
from docuquery.answer.v1 import answer_service_pb2_grpc as rpc
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from docuquery.ingest.v1 import ingest_service_pb2_grpc as ingest_rpc
from libs.errors import DocuQueryError
from libs.rpc import client
from libs.rpc.channel import open_channel
from libs.rpc.context import current_call
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from libs.settings import ServiceSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TENANT = ("x-docuquery-tenant", "acme")
Handler = Callable[[pb.GenerateRequest], AsyncIterator[pb.GenerateResponse]]


class Servicer(rpc.AnswerServiceServicer, ingest_rpc.IngestServiceServicer):
    """Does what the test told it."""

    def __init__(self) -> None:
        self.unary: Callable[[], Any] = pb.ListPromptsResponse
        self.stream: Callable[[], AsyncIterator[pb.GenerateResponse]] | None = None

    async def ListPrompts(self, request: Any, context: Any) -> pb.ListPromptsResponse:
        result = self.unary()
        return await result if asyncio.iscoroutine(result) else result

    async def Generate(self, request: Any, context: Any) -> AsyncIterator[pb.GenerateResponse]:
        assert self.stream is not None
        async for response in self.stream():
            yield response

    async def IngestDocuments(
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[ingest_pb.IngestDocumentsResponse]:
        async for request in request_iterator:
            if request.upload_id == "bad":
                raise DocuQueryError(reasons.ERROR_REASON_NO_TEXT, "No text.")
            yield ingest_pb.IngestDocumentsResponse(upload_id=request.upload_id)


@asynccontextmanager
async def running(
    servicer: Servicer,
    default_deadline_seconds: float | None = 60,
    drain_seconds: float = 5,
    drain_notice_seconds: float = 0,
    **options: Any,
) -> AsyncIterator[RunningServer]:
    settings = ServiceSettings(
        port=0, drain_seconds=drain_seconds, drain_notice_seconds=drain_notice_seconds, _env_file=None
    )
    services = [
        ServiceRegistration(
            "docuquery.answer.v1.AnswerService", partial(rpc.add_AnswerServiceServicer_to_server, servicer)
        ),
        ServiceRegistration(
            "docuquery.ingest.v1.IngestService",
            partial(ingest_rpc.add_IngestServiceServicer_to_server, servicer),
        ),
    ]
    async with serve(
        name="answer",
        settings=settings,
        services=services,
        default_deadline_seconds=default_deadline_seconds,
        **options,
    ) as server:
        yield server


@asynccontextmanager
async def stub_of(server: RunningServer) -> AsyncIterator[rpc.AnswerServiceAsyncStub]:
    async with open_channel(server.address, max_message_bytes=1 << 20) as channel:
        yield rpc.AnswerServiceStub(channel)


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def stub(servicer: Servicer) -> AsyncIterator[rpc.AnswerServiceAsyncStub]:
    async with running(servicer) as server, stub_of(server) as stub:
        yield stub


def list_prompts(stub: rpc.AnswerServiceAsyncStub, *metadata: tuple[str, str]) -> Any:
    return stub.ListPrompts(pb.ListPromptsRequest(), metadata=metadata or (TENANT,), timeout=5)


def details_of(error: grpc.aio.AioRpcError) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    return status


async def test_the_request_id_of_the_caller_stands_in_the_log(stub: rpc.AnswerServiceAsyncStub) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        call = list_prompts(stub, TENANT, ("x-request-id", "abc-1"))
        await call
    [line] = [line for line in lines if line["event"] == "call"]
    assert line["request_id"] == "abc-1"
    assert line["tenant"] == "acme"
    assert line["status"] == "OK"
    assert line["duration_ms"] >= 0


async def test_a_request_without_an_id_is_given_one_and_told_it(stub: rpc.AnswerServiceAsyncStub) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        call = list_prompts(stub)
        await call
    assert dict(await call.initial_metadata())["x-request-id"] == lines[-1]["request_id"]


async def test_a_malformed_request_id_is_replaced(stub: rpc.AnswerServiceAsyncStub) -> None:
    call = list_prompts(stub, TENANT, ("x-request-id", "x" * 200))
    await call
    assert len(dict(await call.initial_metadata())["x-request-id"]) == 36


async def test_the_handler_knows_its_caller_and_deadline(
    servicer: Servicer, stub: rpc.AnswerServiceAsyncStub
) -> None:
    seen: list[Any] = []
    servicer.unary = lambda: seen.append(current_call()) or pb.ListPromptsResponse()
    await list_prompts(stub)
    assert seen[0].identity.tenant == "acme"
    assert 0 < seen[0].deadline.remaining() <= 5


@pytest.mark.parametrize("metadata", [(), (("x-docuquery-tenant", "../up"),)])
async def test_without_a_valid_tenant_nothing_is_served(
    stub: rpc.AnswerServiceAsyncStub, metadata: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListPrompts(pb.ListPromptsRequest(), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_unexpected_error_is_internal_and_leaks_nothing(
    servicer: Servicer, stub: rpc.AnswerServiceAsyncStub
) -> None:
    def fail() -> None:
        raise RuntimeError("password=hunter2 at /srv/app.py")

    servicer.unary = fail
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await list_prompts(stub, TENANT, ("x-request-id", "r-1"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(caught.value.details()) + str(caught.value.trailing_metadata())
    assert b"r-1" in details_of(caught.value).SerializeToString()


async def test_a_handler_that_cancels_itself_does_not_leave_the_caller_waiting(
    servicer: Servicer, stub: rpc.AnswerServiceAsyncStub
) -> None:
    def cancel() -> None:
        raise asyncio.CancelledError

    servicer.unary = cancel
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await list_prompts(stub)
    assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_an_error_in_the_middle_of_a_stream_keeps_its_details(
    servicer: Servicer, stub: rpc.AnswerServiceAsyncStub
) -> None:
    async def two_then_fail() -> AsyncIterator[pb.GenerateResponse]:
        yield pb.GenerateResponse(text_delta="a")
        raise DocuQueryError(reasons.ERROR_REASON_STREAM_TRUNCATED, "Cut off.", retry_after_seconds=2)

    servicer.stream = two_then_fail
    got: list[str] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for response in stub.Generate(pb.GenerateRequest(), metadata=(TENANT,)):
            got.append(response.text_delta)
    assert got == ["a"]
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert [d.type_url.rsplit(".", 1)[1] for d in details_of(caught.value).details] == [
        "ErrorInfo",
        "RetryInfo",
    ]


async def test_a_cancelled_stream_closes_the_handlers_generator(
    servicer: Servicer, stub: rpc.AnswerServiceAsyncStub
) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[pb.GenerateResponse]:
        try:
            while True:
                yield pb.GenerateResponse(text_delta="x")
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    servicer.stream = endless
    call = stub.Generate(pb.GenerateRequest(), metadata=(TENANT,))
    await call.read()
    call.cancel()
    await asyncio.wait_for(closed.wait(), 5)


async def test_bytes_that_are_not_the_message_are_the_callers_fault(servicer: Servicer) -> None:
    async with running(servicer) as server, grpc.aio.insecure_channel(server.address) as channel:
        method = channel.unary_unary("/docuquery.answer.v1.AnswerService/ListPrompts")
        generate = channel.unary_stream("/docuquery.answer.v1.AnswerService/Generate")
        not_utf8 = b"\x12\x02\xff\xfe"  # field 2, two bytes that are no UTF-8
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(b"\x0a\xff", metadata=(TENANT,))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await generate(not_utf8, metadata=(TENANT,)).read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_without_a_deadline_the_servers_own_applies(servicer: Servicer) -> None:
    async def forever() -> None:
        await asyncio.sleep(60)

    servicer.unary = forever
    async with running(servicer, default_deadline_seconds=0.1) as server, stub_of(server) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListPrompts(pb.ListPromptsRequest(), metadata=(TENANT,))
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert b"DEADLINE_EXCEEDED" in details_of(caught.value).SerializeToString()


async def test_a_caller_who_does_not_read_keeps_a_call_no_longer_than_it_may_last(servicer: Servicer) -> None:
    async def endless() -> AsyncIterator[pb.GenerateResponse]:
        while True:
            yield pb.GenerateResponse(text_delta="a" * 500_000)

    servicer.stream = endless
    method = "/docuquery.answer.v1.AnswerService/Generate"
    context = running(servicer, drain_seconds=60, longest_seconds={method: 0.2})
    server = await context.__aenter__()
    async with stub_of(server) as stub:
        stream = stub.Generate(pb.GenerateRequest(), metadata=(TENANT,))
        await stream.read()
        async with asyncio.timeout(20):
            await context.__aexit__(None, None, None)  # it waits for calls under way
        stream.cancel()


async def test_health_is_open_watchable_and_not_serving_while_draining(servicer: Servicer) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def wait() -> pb.ListPromptsResponse:
        begun.set()
        await release.wait()
        return pb.ListPromptsResponse()

    servicer.unary = wait
    seen: list[int] = []
    context = running(servicer, drain_seconds=5)
    server = await context.__aenter__()
    async with grpc.aio.insecure_channel(server.address) as channel, stub_of(server) as stub:
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="docuquery.answer.v1.AnswerService"))
        seen.append((await watch.read()).status)
        under_way = asyncio.ensure_future(list_prompts(stub))
        await begun.wait()
        started = asyncio.get_running_loop().time()
        closing = asyncio.create_task(context.__aexit__(None, None, None))
        seen.append((await watch.read()).status)
        release.set()
        assert await under_way == pb.ListPromptsResponse()
        await closing
        assert asyncio.get_running_loop().time() - started < 4, "the watch must not hold the drain up"
    assert seen == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]


async def test_a_drain_gives_up_on_calls_that_never_end_and_tells_them_why(servicer: Servicer) -> None:
    begun = asyncio.Semaphore(0)

    async def forever() -> None:
        begun.release()
        await asyncio.sleep(60)

    async def endless() -> AsyncIterator[pb.GenerateResponse]:
        yield pb.GenerateResponse(text_delta="a")
        await forever()

    servicer.unary, servicer.stream = forever, endless
    context = running(servicer, drain_seconds=0.2)
    server = await context.__aenter__()
    async with stub_of(server) as stub:
        under_way = asyncio.ensure_future(list_prompts(stub))
        stream = stub.Generate(pb.GenerateRequest(), metadata=(TENANT,))
        assert (await stream.read()).text_delta == "a"
        await begun.acquire()
        await begun.acquire()
        await context.__aexit__(None, None, None)
        for ending in (under_way, stream.read()):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ending
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert b"SHUTTING_DOWN" in details_of(caught.value).SerializeToString()


async def test_a_taken_port_is_refused_with_a_sentence(servicer: Servicer) -> None:
    async with running(servicer) as server:
        settings = ServiceSettings(port=server.port, _env_file=None)
        with pytest.raises(OSError, match="another process"):
            async with serve(name="second", settings=settings, services=[]):
                raise AssertionError("two servers share a port")


async def test_client_helpers_carry_the_call_and_translate_errors(servicer: Servicer) -> None:
    """A service calling another passes id and tenant on and gets a DocuQueryError back."""
    upstream = Servicer()
    seen: list[Any] = []
    upstream.unary = lambda: seen.append(current_call()) or pb.ListPromptsResponse()

    async def broken() -> AsyncIterator[pb.GenerateResponse]:
        yield pb.GenerateResponse(text_delta="a")
        raise DocuQueryError(reasons.ERROR_REASON_PROVIDER_OVERLOADED, "Busy.")

    upstream.stream = broken
    async with running(upstream) as server, stub_of(server) as upstream_stub:

        async def relay() -> pb.ListPromptsResponse:
            return await client.unary(
                upstream_stub.ListPrompts, pb.ListPromptsRequest(), service="answer", timeout_seconds=2
            )

        async def relay_stream() -> AsyncIterator[pb.GenerateResponse]:
            async with client.server_stream(
                upstream_stub.Generate, pb.GenerateRequest(), service="answer", timeout_seconds=2
            ) as responses:
                async for response in responses:
                    yield response

        servicer.unary, servicer.stream = relay, relay_stream
        async with running(servicer) as front, stub_of(front) as stub:
            await list_prompts(stub, TENANT, ("x-request-id", "r-9"))
            assert (seen[0].request_id, seen[0].identity.tenant) == ("r-9", "acme")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in stub.Generate(pb.GenerateRequest(), metadata=(TENANT,)):
                    pass
            assert b"PROVIDER_OVERLOADED" in details_of(caught.value).SerializeToString()


async def test_a_call_may_have_centuries(stub: rpc.AnswerServiceAsyncStub) -> None:
    """The longest time of Java and Go, 2^63 ns, is what callers mean who want no limit."""
    for seconds in (2**63 / 1e9, math.inf, None):
        await client.unary(
            stub.ListPrompts,
            pb.ListPromptsRequest(),
            service="answer",
            timeout_seconds=seconds,
            metadata=(TENANT,),
        )


async def test_a_service_that_is_gone_is_unavailable(servicer: Servicer) -> None:
    async with running(servicer) as server:
        address = server.address
    async with open_channel(address, max_message_bytes=1 << 20) as channel:
        stub = rpc.AnswerServiceStub(channel)
        with pytest.raises(DocuQueryError) as caught:
            await client.unary(stub.ListPrompts, pb.ListPromptsRequest(), service="answer", timeout_seconds=2)
    assert caught.value.reason == reasons.ERROR_REASON_SERVICE_UNAVAILABLE


async def test_a_bidirectional_stream_reports_why_it_ended(servicer: Servicer) -> None:
    async with (
        running(servicer) as server,
        open_channel(server.address, max_message_bytes=1 << 20) as channel,
    ):
        stub = ingest_rpc.IngestServiceStub(channel)
        method = partial(stub.IngestDocuments)

        def with_tenant(**kwargs: Any) -> Any:
            return method(**{**kwargs, "metadata": (TENANT,)})

        async with client.bidi_stream(with_tenant, service="ingest", timeout_seconds=5) as call:  # type: ignore[arg-type]
            await call.write(ingest_pb.IngestDocumentsRequest(upload_id="one"))
            responses = call.responses()
            assert (await anext(responses)).upload_id == "one"
            await call.write(ingest_pb.IngestDocumentsRequest(upload_id="bad"))
            with pytest.raises(DocuQueryError) as caught:
                await anext(responses)
            assert caught.value.reason == reasons.ERROR_REASON_NO_TEXT
            with pytest.raises(DocuQueryError) as again:
                for _ in range(50):
                    await call.write(ingest_pb.IngestDocumentsRequest(upload_id="more"))
                    await asyncio.sleep(0.01)
            assert again.value.reason == reasons.ERROR_REASON_NO_TEXT


async def test_a_call_that_comes_while_draining_is_told_to_try_elsewhere(servicer: Servicer) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait() -> pb.ListPromptsResponse:
        entered.set()
        await release.wait()
        return pb.ListPromptsResponse()

    servicer.unary = wait
    context = running(servicer)
    server = await context.__aenter__()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = rpc.AnswerServiceStub(channel)
        under_way = asyncio.ensure_future(list_prompts(stub))
        await entered.wait()
        closing = asyncio.create_task(context.__aexit__(None, None, None))
        health = health_pb2_grpc.HealthStub(channel)
        async for change in health.Watch(health_pb2.HealthCheckRequest()):
            if change.status != SERVING:
                break
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await list_prompts(stub)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert b"SHUTTING_DOWN" in details_of(caught.value).SerializeToString()
        release.set()
        await under_way
        await closing


async def test_calls_that_come_while_callers_still_learn_of_the_drain_are_served(servicer: Servicer) -> None:
    context = running(servicer, drain_notice_seconds=30)
    server = await context.__aenter__()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = rpc.AnswerServiceStub(channel)
        await list_prompts(stub)
        closing = asyncio.create_task(context.__aexit__(None, None, None))
        assert await health_of(channel, "") == NOT_SERVING
        for _ in range(5):
            await list_prompts(stub)
        began = time.monotonic()
        await closing
        assert time.monotonic() - began < 10, "nobody comes any more: there is nothing to wait for"


async def health_of(channel: grpc.aio.Channel, name: str) -> int:
    check = health_pb2_grpc.HealthStub(channel).Check
    return (await check(health_pb2.HealthCheckRequest(service=name))).status


async def test_liveness_and_readiness_are_apart(servicer: Servicer) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait() -> pb.ListPromptsResponse:
        entered.set()
        await release.wait()
        return pb.ListPromptsResponse()

    servicer.unary = wait
    context = running(servicer, ready=False)
    server = await context.__aenter__()
    async with grpc.aio.insecure_channel(server.address) as channel:
        names = ("", "docuquery.answer.v1.AnswerService", "liveness", "readiness")

        async def told() -> list[int]:
            return [await health_of(channel, name) for name in names]

        assert await told() == [SERVING, SERVING, SERVING, NOT_SERVING]
        await server.health.set_ready(True)
        assert await told() == [SERVING] * 4
        under_way = asyncio.ensure_future(list_prompts(rpc.AnswerServiceStub(channel)))
        await entered.wait()
        closing = asyncio.create_task(context.__aexit__(None, None, None))
        async for change in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()):
            if change.status == NOT_SERVING:
                break
        assert await told() == [NOT_SERVING, NOT_SERVING, SERVING, NOT_SERVING]
        release.set()
        await under_way
        await closing


async def test_health_and_reflection_can_be_closed(servicer: Servicer) -> None:
    def check(method: str, metadata: dict[str, str]) -> None:
        if metadata.get("key") != "right":
            raise DocuQueryError(reasons.ERROR_REASON_CREDENTIALS_MISSING, f"No key for {method}.")

    async with (
        running(servicer, check_infrastructure=check) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        request = health_pb2.HealthCheckRequest()
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        for key, code in (("wrong", grpc.StatusCode.UNAUTHENTICATED), ("right", grpc.StatusCode.OK)):
            metadata = (("key", key),)
            assert await health.Check(request, metadata=metadata).code() is code
            for call in (health.Watch(request, metadata=metadata), reflect(iter([asked]), metadata=metadata)):
                if code is grpc.StatusCode.OK:
                    assert await call.read() is not grpc.aio.EOF
                    call.cancel()
                else:
                    assert await call.code() is code


async def test_a_gate_refuses_calls_of_every_kind_before_anything_is_done_for_them(
    servicer: Servicer,
) -> None:
    closed = True

    def gate(method: str) -> DocuQueryError | None:
        if not closed:
            return None
        return DocuQueryError(reasons.ERROR_REASON_OVERLOADED, f"Not {method} now.", retry_after_seconds=2)

    async def nothing() -> AsyncIterator[pb.GenerateResponse]:
        return
        yield

    servicer.stream = nothing
    with structlog.testing.capture_logs() as lines:
        async with running(servicer, gate=gate) as server, stub_of(server) as stub:
            metadata = (("x-request-id", "r-7"),)
            calls = [
                stub.ListPrompts(pb.ListPromptsRequest(), metadata=metadata),
                stub.Generate(pb.GenerateRequest(), metadata=metadata),
            ]
            for call in calls:
                assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                trailers = str(await call.trailing_metadata())
                assert "OVERLOADED" in trailers
                assert "r-7" in trailers
            assert [line["event"] for line in lines] == ["serving"], "no line for each"
            closed = False
            await list_prompts(stub)


async def test_a_method_that_does_not_exist_is_refused_with_a_reason(servicer: Servicer) -> None:
    async with running(servicer) as server, grpc.aio.insecure_channel(server.address) as channel:
        for method in ("/docuquery.answer.v1.AnswerService/Nope", "/some.Other/Service"):
            for call in (channel.unary_unary(method)(b""), channel.stream_stream(method)(iter([b""]))):
                assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
                assert method in await call.details()
                assert "NOT_SUPPORTED" in str(await call.trailing_metadata())


class _Reads(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]
    """A method that takes a stream and gives one answer, which none of our services has."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def count(requests: AsyncIterator[bytes], context: Any) -> bytes:
            return str(sum([1 async for _ in requests])).encode()

        return grpc.stream_unary_rpc_method_handler(count, bytes, bytes)


async def test_every_kind_of_method_is_wrapped(servicer: Servicer) -> None:
    counted = ServiceRegistration("x.Counts", lambda server: server.add_generic_rpc_handlers((_Reads(),)))
    settings = ServiceSettings(port=0, reflection_enabled=False, _env_file=None)
    async with (
        serve(name="x", settings=settings, services=[counted]) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        method = channel.stream_unary("/x.Counts/Count")
        assert await method(iter([b"a", b"b"]), metadata=(TENANT,)) == b"2"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(iter([b"a"]))
        assert b"CREDENTIALS_MISSING" in details_of(caught.value).SerializeToString()


async def test_what_waits_for_the_gate_is_bounded_and_told_so_at_once(servicer: Servicer) -> None:
    async with running(servicer, backlog=4) as server, stub_of(server) as stub:
        await list_prompts(stub)
        calls = [list_prompts(stub) for _ in range(100)]
        for _ in range(10):
            await asyncio.sleep(0)  # they are sent
        time.sleep(0.3)  # and nobody looks after them  # noqa: ASYNC251 - a loop that is late
        codes = collections.Counter([await call.code() for call in calls])
        assert codes.keys() == {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
        assert 1 <= codes[grpc.StatusCode.OK] <= 30
        await list_prompts(stub)
