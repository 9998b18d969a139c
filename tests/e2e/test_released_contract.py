"""A client made from the last release's contract works against this version: for rolling upgrades."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.e2e.support import ROOT, running_system

RELEASED = ROOT / "protos" / "released.binpb"
SERVICE = "docuquery.gateway.v1.DocuQueryService"


class ReleasedClient:
    """Calls by JSON, with messages made from the released descriptors alone."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        pool = descriptor_pool.DescriptorPool()
        for file in FileDescriptorSet.FromString(RELEASED.read_bytes()).file:
            pool.Add(file)
        self._methods: dict[str, MethodDescriptor] = pool.FindServiceByName(SERVICE).methods_by_name
        self.called: set[str] = set()

    @property
    def public(self) -> set[str]:
        """The methods of the released service."""
        return set(self._methods)

    async def call(self, name: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """The responses; one unless the method streams them."""
        self.called.add(name)
        method = self._methods[name]
        made, read = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
        kind = f"{'stream' if method.client_streaming else 'unary'}_" + (
            "stream" if method.server_streaming else "unary"
        )
        call = getattr(self._channel, kind)(
            f"/{SERVICE}/{name}",
            request_serializer=made.SerializeToString,
            response_deserializer=read.FromString,
        )
        messages = [json_format.ParseDict(request, made()) for request in requests]
        started = call(iter(messages) if method.client_streaming else messages[0], timeout=30)
        replies = [reply async for reply in started] if method.server_streaming else [await started]
        return [json_format.MessageToDict(reply) for reply in replies]


async def test_the_released_client_is_served_by_this_version(tmp_path: Path) -> None:
    async with (
        running_system(tmp_path) as system,
        grpc.aio.insecure_channel(system.address) as channel,
    ):
        client = ReleasedClient(channel)
        call = client.call
        question = "What is the mascot of the firm?"
        content = "VGhlIG1hc2NvdCBvZiB0aGUgZmlybSBpcyBhIGhlcm9uLg=="  # The mascot of the firm is a heron.

        [uploaded] = await call("UploadDocument", {"filename": "mascot.txt", "content": content})
        document = uploaded["document"]["documentId"]
        assert uploaded["result"] == "UPLOAD_RESULT_CREATED"
        streamed = await call(
            "UploadDocuments",
            {"uploadId": "a", "header": {"filename": "again.txt"}},
            {"uploadId": "a", "data": content},
            {"uploadId": "a", "footer": {}},
        )
        assert streamed[-1]["progress"]["done"]["result"] == "UPLOAD_RESULT_CREATED"

        [answered] = await call("Query", {"question": question, "conversationId": "c-1"})
        assert answered["result"]["answer"] == "The mascot of the firm is a heron."
        assert answered["result"]["citations"][0]["verdict"] == "CITATION_VERDICT_VERBATIM"
        events = await call("StreamQuery", {"query": {"question": question}})
        assert {"retrieved", "completed"} <= {kind for event in events for kind in event}
        [found] = await call("Search", {"query": "mascot", "limit": 5})
        assert len(found["passages"]) == 2

        [got] = await call("GetDocument", {"documentId": document})
        assert got["document"]["status"] == "DOCUMENT_STATUS_INDEXED"
        [page] = await call("ListDocuments", {"pageSize": 10})
        assert len(page["documents"]) == 2
        [passage] = await call("GetPassage", {"documentId": document, "charStart": 4, "charEnd": 10})
        assert passage["text"] == "mascot"
        [kept] = await call("GetConversation", {"conversationId": "c-1"})
        assert kept["conversation"]["turns"][0]["question"] == question
        [forgotten] = await call("DeleteConversation", {"conversationId": "c-1"})
        assert forgotten["deletedTurnCount"] == 1
        [stats] = await call("GetStats", {})
        assert stats["indexedDocumentCount"] in (2, "2")
        [status] = await call("GetSystemStatus", {})
        assert status["state"] == "COMPONENT_STATE_SERVING"
        [prompts] = await call("ListPrompts", {})
        assert prompts["prompts"]
        [deleted] = await call("DeleteDocument", {"documentId": document})
        assert deleted["deletedChunkCount"] == 1
        assert client.called == client.public, "every released call is tried"
