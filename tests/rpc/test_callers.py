"""What docs/callers.md says of deadlines and of calls that are sent again holds for every public call."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import ParseDict
from grpc_health.v1 import health_pb2, health_pb2_grpc

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.conversation_pb2 import Conversation
from docuquery.gateway.v1 import admin_service_pb2, docuquery_service_pb2
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import (
    DocuQueryServiceServicer,
    DocuQueryServiceStub,
    add_DocuQueryServiceServicer_to_server,
)
from libs.errors import DocuQueryError
from libs.rpc.context import Identity
from libs.rpc.server import ServiceRegistration, serve
from libs.settings import ServiceSettings
from services.gateway import budget
from tests.rpc.gateway_support import DOCUMENT_ID, running
from tools.callers import CALLS, Repeat, service_config

METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for module in (docuquery_service_pb2, admin_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
REQUESTS: dict[str, dict[str, Any]] = {
    "UploadDocument": {"filename": "a.txt", "content": "YQ=="},
    "GetDocument": {"documentId": DOCUMENT_ID},
    "DeleteDocument": {"documentId": DOCUMENT_ID},
    "Search": {"query": "leave"},
    "GetPassage": {"documentId": DOCUMENT_ID, "charStart": 0, "charEnd": 5},
    "Query": {"question": "How long?"},
    "StreamQuery": {"query": {"question": "How long?"}},
    "GetConversation": {"conversationId": "c-1"},
    "DeleteConversation": {"conversationId": "c-1"},
}
UPLOADS = {"UploadDocument", "UploadDocuments"}


def full_name(name: str) -> str:
    return f"/{METHODS[name].containing_service.full_name}/{name}"


async def call(channel: grpc.aio.Channel, name: str, **options: Any) -> None:
    """Calls a method, whatever its kind, and reads its replies."""
    method = METHODS[name]
    made, read = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
    message = ParseDict(REQUESTS.get(name, {}), made())
    many, stream = method.client_streaming, method.server_streaming
    kind = f"{'stream' if many else 'unary'}_{'stream' if stream else 'unary'}"
    start = getattr(channel, kind)(
        full_name(name), request_serializer=made.SerializeToString, response_deserializer=read.FromString
    )
    started = start(iter([message]) if many else message, **options)
    if stream:
        async for _ in started:
            pass
    else:
        await started


def test_every_public_call_is_told_of() -> None:
    assert set(CALLS) == set(METHODS)


async def test_a_call_without_a_deadline_gets_the_time_the_page_says() -> None:
    async with running() as system, grpc.aio.insecure_channel(system.address) as channel:
        fakes = (system.ingest, system.retrieval, system.answer)
        system.answer.conversations["default", "c-1"] = Conversation(conversation_id="c-1")
        for name in set(METHODS) - {"UploadDocuments", "OverrideBreaker"}:
            for fake in fakes:
                fake.seen.clear()
            await call(channel, name)
            left = {seen.method: seen.seconds_left for fake in fakes for seen in fake.seen}
            if name in UPLOADS:
                assert left["IngestDocuments"] == math.inf
                assert CALLS[name].seconds is None
            elif name == "GetSystemStatus":
                assert left["GetStoreStatus"] == pytest.approx(budget.STATUS_SECONDS, abs=0.9)
            elif METHODS[name].input_type.name in ("QueryRequest", "StreamQueryRequest"):
                assert left["Generate"] == pytest.approx(CALLS[name].seconds, abs=4)
            else:
                assert left[name] == pytest.approx(CALLS[name].seconds, abs=4), name


async def test_grpc_repeats_by_the_service_config_what_the_page_says_and_nothing_else() -> None:
    tried: Counter[str] = Counter()

    class Broken(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            async def fail(_request: Any, context: Any) -> None:
                tried[details.method] += 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "as when nobody is there")

            return grpc.stream_stream_rpc_method_handler(fail)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Broken(),))
    # A port for each, because what is left of the budget for repetitions belongs to an address.
    ports = {name: server.add_insecure_port("127.0.0.1:0") for name in METHODS}
    await server.start()

    async def attempt(name: str) -> None:
        options = [("grpc.service_config", service_config())]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[name]}", options=options) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await call(channel, name, timeout=30)

    try:
        await asyncio.gather(*map(attempt, METHODS))
    finally:
        await server.stop(None)
    assert {name: tried[full_name(name)] for name in METHODS} == {
        name: 3 if one.repeat is Repeat.GRPC else 1 for name, one in CALLS.items()
    }


async def test_grpc_does_not_repeat_what_the_gateway_refused_in_words() -> None:
    options = [("grpc.service_config", service_config())]
    async with running() as system, grpc.aio.insecure_channel(system.address, options=options) as channel:
        system.retrieval.error = DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "The store is away.")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, "GetStats", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(system.retrieval.calls("GetStats")) == 1


class Replica(DocuQueryServiceServicer):
    """Answers GetStats; of ListPrompts it answers when it is let."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.released = asyncio.Event()

    async def GetStats(self, request: Any, context: Any) -> pb.GetStatsResponse:
        return pb.GetStatsResponse(store="here")

    async def ListPrompts(self, request: Any, context: Any) -> pb.ListPromptsResponse:
        self.entered.set()
        await self.released.wait()
        return pb.ListPromptsResponse()


async def test_a_read_that_meets_a_replica_shutting_down_is_repeated_at_another() -> None:
    leaving, staying = Replica(), Replica()

    def served(servicer: Replica) -> Any:
        register = partial(add_DocuQueryServiceServicer_to_server, servicer)
        return serve(
            name="gateway",
            settings=ServiceSettings(port=0, drain_notice_seconds=0, _env_file=None),
            services=[ServiceRegistration("docuquery.gateway.v1.DocuQueryService", register)],
            resolve_identity=lambda method, metadata: Identity("acme", "backend", frozenset({"read"})),
        )

    async def under_way(address: str) -> AsyncIterator[None]:
        """Holds a call open at a server."""
        async with grpc.aio.insecure_channel(address) as channel:
            held = asyncio.ensure_future(DocuQueryServiceStub(channel).ListPrompts(pb.ListPromptsRequest()))
            await leaving.entered.wait()
            yield
            await held

    first = served(leaving)
    going = await first.__aenter__()
    async with served(staying) as there:
        holding = under_way(going.address)
        await anext(holding)
        options = [("grpc.service_config", service_config())]
        target = f"ipv4:{going.address},{there.address}"
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            stub = DocuQueryServiceStub(channel)
            async with grpc.aio.insecure_channel(going.address) as probe:
                changes = health_pb2_grpc.HealthStub(probe).Watch(health_pb2.HealthCheckRequest())
                assert (await changes.read()).status == health_pb2.HealthCheckResponse.SERVING
                closing = asyncio.create_task(first.__aexit__(None, None, None))
                assert (await changes.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
                changes.cancel()
                for _ in range(8):
                    assert (await stub.GetStats(pb.GetStatsRequest(), timeout=10)).store == "here"
        leaving.released.set()
        assert await anext(holding, "ended") == "ended"
        await closing
