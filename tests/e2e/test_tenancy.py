"""Nobody sees, changes or counts what is another tenant's: every method of every service is tried."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from docuquery.common.v1.document_pb2 import Document
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from docuquery_client import ApiError, AsyncDocuQuery
from tests.contract.store_targets import Targets
from tests.e2e.foreign_requests import Call, calls
from tests.e2e.support import System, running_system

OWNER, STRANGER = "acme", "globex"
KEYS = [
    {
        "tenant": tenant,
        "name": tenant,
        "sha256": hashlib.sha256(f"key of {tenant}".encode()).hexdigest(),
        "scopes": ["read", "write", "admin"],
    }
    for tenant in (OWNER, STRANGER)
]
SECRETS = ("zirconite", "marrowgate", "obsidianesque")
"""Words that stand in the owner's documents, metadata and conversation only."""
TEXT = "The stone in the cellar is the zirconite of Ravensholt. It is shown on the last Sunday of the month."
REFUSED = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED}
"""There is no such thing; this attempt owns nothing (any more)."""


def client_of(system: System, tenant: str) -> AsyncDocuQuery:
    return AsyncDocuQuery(system.address, api_key=f"key of {tenant}")


@pytest.mark.parametrize("engine", ["edge", pytest.param("server", marks=pytest.mark.slow)])
async def test_no_method_gives_or_takes_what_is_anothers(
    targets: Targets, tmp_path: Path, engine: str
) -> None:
    """New methods are walked as well: the requests are made from the contracts."""
    settings = {"API_KEYS": json.dumps(KEYS), "QUOTA_DOCUMENTS": "3"}
    if engine == "server":
        settings |= {
            "VECTOR_STORE": "qdrant",
            "QDRANT_URL": targets.servers("server").url,
            "QDRANT_COLLECTION": "tenancy",
        }
    async with (
        running_system(tmp_path, api_key=f"key of {OWNER}", **settings) as system,
        client_of(system, OWNER) as owner,
        client_of(system, STRANGER) as stranger,
    ):
        for number in range(3):
            text = TEXT if number == 0 else f"{TEXT} Part {number} of marrowgate."
            await owner.upload_document(
                f"cellar-{number}.txt", text.encode(), metadata={"box": "obsidianesque"}
            )
        answer = await owner.ask("Is the zirconite in the cellar?", conversation_id="c-1")
        page = await owner.list_documents(page_size=1)
        (document,) = page.documents
        token = await open_attempt(system, document.source)
        before = await state(owner)
        ids = {
            "document_id": document.document_id,
            "version": document.live_version,
            "source": document.source,
            "conversation_id": "c-1",
            "page_token": page.next_page_token,
            "chunk_id": answer.sources[0].chunk_id,
            "attempt_token": token,
        }
        assert (await stranger.get_stats()).indexed_document_count == 0

        walked = list(calls(ids))
        assert {call.service for call in walked} == {"gateway", "ingest", "retrieval", "answer"}
        # First those that ask for what is there: others may begin a conversation of the same name.
        for call in sorted(walked, key=lambda call: not asks(call)):
            await tried(system, call, secrets=(*SECRETS, ids["document_id"], ids["chunk_id"]))

        assert await state(owner) == before
        # What the stranger uploaded under the same source is the stranger's own.
        own = [found async for found in stranger.documents()]
        assert own
        assert document.document_id not in {found.document_id for found in own}
        assert (await stranger.get_stats()).indexed_document_count == len(
            [found for found in own if found.chunk_count]
        )
        # The owner's three documents fill the owner's quota, and nobody else's.
        with pytest.raises(ApiError) as caught:
            await owner.upload_document("one-more.txt", b"One too many.")
        assert caught.value.reason == "QUOTA_EXCEEDED"
        for found in own:
            await stranger.delete_document(found.document_id)
        for number in range(3):
            await stranger.upload_document(f"{number}.txt", b"A text of mine.")


async def state(client: AsyncDocuQuery) -> list[Any]:
    """All that one tenant can see of its own."""
    stats = await client.get_stats()
    documents: list[Document] = [document async for document in client.documents()]
    found = (await client.search("zirconite", limit=50)).passages
    conversation = await client.get_conversation("c-1")
    return [stats, documents, [passage.chunk_id for passage in found], conversation.turns[0]]


async def open_attempt(system: System, source: str) -> str:
    """The token of an upload that is to replace a document of the owner."""
    async with grpc.aio.insecure_channel(system.stack.addresses["retrieval"]) as channel:
        begun = await RetrievalServiceStub(channel).BeginAttempt(
            retrieval.BeginAttemptRequest(source=source, filename=source),
            metadata=(("x-docuquery-tenant", OWNER),),
        )
    return str(begun.attempt_token)


def asks(call: Call) -> bool:
    return call.method.name.startswith(("Get", "Delete"))


async def tried(system: System, call: Call, secrets: tuple[str, ...]) -> None:
    """Makes the call as the stranger: it is refused, or tells nothing."""
    replies, error = await made(system, call)
    names_a_thing = "document_id" in call.names or (asks(call) and call.names)
    if names_a_thing:
        assert error is not None, call.path
        assert error.code() in REFUSED, (call.path, error.details())
    shown = " ".join(map(str, [*replies, error and (error.details(), error.trailing_metadata())]))
    for secret in secrets:
        assert secret not in shown, (call.path, secret)


async def made(system: System, call: Call) -> tuple[list[Message], grpc.aio.AioRpcError | None]:
    if call.service == "gateway":
        metadata = (("authorization", f"Bearer key of {STRANGER}"),)
    else:
        metadata = (("x-docuquery-tenant", STRANGER),)
    async with grpc.aio.insecure_channel(system.stack.addresses[call.service]) as channel:
        streams = call.method.client_streaming, call.method.server_streaming
        kind = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }[streams]
        method: Any = kind(
            call.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=call.response_class.FromString,
        )
        sent: Any = iter(call.requests) if call.method.client_streaming else call.requests[0]
        answer = method(sent, metadata=metadata, timeout=30)
        try:
            replies = [reply async for reply in answer] if call.method.server_streaming else [await answer]
        except grpc.aio.AioRpcError as error:
            return [], error
        return replies, None
