"""The real retrieval service on a loopback port, a client of it, and documents to put in."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2

from docuquery.common.v1 import document_pb2, filter_pb2, passage_pb2, text_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from libs.clock import Clock, SystemClock
from libs.rpc.channel import open_channel
from libs.rpc.client import unary
from libs.rpc.context import TENANT_KEY
from services.retrieval.app import start
from services.retrieval.settings import Settings

MIB = 1024 * 1024
UNKNOWN_ID = "00000000-0000-5000-8000-000000000000"
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as an ingest would hand it over: one chunk a paragraph."""

    source: str
    paragraphs: Sequence[str]
    title: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    pages: bool = False
    """Whether each paragraph is a page."""
    language: str = ""

    @property
    def text(self) -> str:
        return "\n\n".join(self.paragraphs)

    @property
    def version(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def begin(self, **fields: Any) -> pb.BeginAttemptRequest:
        metadata = struct_pb2.Struct()
        metadata.update(self.metadata)
        values: dict[str, Any] = {
            "source": self.source,
            "filename": self.source.rsplit("/", 1)[-1],
            "type": document_pb2.DOCUMENT_TYPE_TEXT,
            "size_bytes": len(self.text.encode()),
            "version": self.version,
            "metadata": metadata,
        }
        return pb.BeginAttemptRequest(**(values | fields))

    def piece(self, begun: pb.BeginAttemptResponse, first: int = 0, last: int | None = None) -> Any:
        """The message with paragraphs first to last (exclusive) and the text they stand in."""
        last = len(self.paragraphs) if last is None else last
        starts, position = [], 0
        for paragraph in self.paragraphs:
            starts.append(position)
            position += len(paragraph) + 2
        begin = starts[first]
        end = len(self.text) if last == len(self.paragraphs) else starts[last]
        chunks = [
            pb.Chunk(
                ordinal=i,
                span=self.span(starts[i], starts[i] + len(self.paragraphs[i])),
                headings=[f"Section {i}"],
                pages=text_pb2.PageRange(first=i + 1, last=i + 1) if self.pages else None,
                page_starts=[text_pb2.PageStart(page=i + 1, char_start=starts[i])] if self.pages else [],
            )
            for i in range(first, last)
        ]
        return pb.WriteChunksRequest(
            document_id=begun.document_id,
            attempt_token=begun.attempt_token,
            text=self.text[begin:end],
            text_span=self.span(begin, end),
            chunks=chunks,
            title=self.title,
            chunks_total=len(self.paragraphs),
            language=self.language,
        )

    def span(self, start: int, end: int) -> text_pb2.TextSpan:
        """Code points, with the bytes they are in this document."""
        return text_pb2.TextSpan(
            char_start=start,
            char_end=end,
            byte_start=len(self.text[:start].encode()),
            byte_end=len(self.text[:end].encode()),
        )

    def commit(self, begun: pb.BeginAttemptResponse, **fields: Any) -> pb.CommitAttemptRequest:
        values: dict[str, Any] = {
            "document_id": begun.document_id,
            "attempt_token": begun.attempt_token,
            "chunk_count": len(self.paragraphs),
            "page_count": len(self.paragraphs) if self.pages else 0,
            "character_count": len(self.text),
            "title": self.title,
            "language": self.language,
        }
        return pb.CommitAttemptRequest(**(values | fields))


class Client:
    """Calls the service as the gateway or an ingest of one tenant would. Raises DocuQueryError."""

    def __init__(self, channel: Any, tenant: str = "acme", address: str = "") -> None:
        self._channel = channel
        self.address = address
        self._stub = RetrievalServiceStub(channel)
        self.tenant = tenant

    def of(self, tenant: str) -> Client:
        """The same service, another tenant."""
        return Client(self._channel, tenant, self.address)

    async def call(self, request: Any) -> Any:
        """Sends a request to the method it is named after."""
        method = getattr(self._stub, type(request).__name__.removesuffix("Request"))
        metadata = ((TENANT_KEY, self.tenant),)
        return await unary(
            method, request, service="retrieval", timeout_seconds=TIMEOUT_SECONDS, metadata=metadata
        )

    async def begin(self, draft: Draft, **fields: Any) -> pb.BeginAttemptResponse:
        return await self.call(draft.begin(**fields))

    async def write(self, draft: Draft, begun: pb.BeginAttemptResponse) -> None:
        for first in range(0, len(draft.paragraphs), 100):
            last = min(first + 100, len(draft.paragraphs))
            await self.call(draft.piece(begun, first, last))

    async def upload(self, draft: Draft, **fields: Any) -> Any:
        """The whole way: begin, write, commit; returns the CommitAttemptResponse."""
        begun = await self.begin(draft, **fields)
        await self.write(draft, begun)
        return await self.call(draft.commit(begun))

    async def search(self, query: str, limit: int = 10, **fields: Any) -> list[passage_pb2.Passage]:
        reply = await self.call(pb.SearchRequest(query=query, limit=limit, **fields))
        return list(reply.passages)

    async def get(self, document_id: str) -> document_pb2.Document:
        return (await self.call(pb.GetDocumentRequest(document_id=document_id))).document

    async def list(self, **fields: Any) -> list[document_pb2.Document]:
        """All pages of a listing."""
        found, token = [], ""
        while True:
            reply = await self.call(pb.ListDocumentsRequest(page_token=token, **fields))
            found.extend(reply.documents)
            token = reply.next_page_token
            if not token:
                return found

    async def delete(self, document_id: str) -> int:
        return (await self.call(pb.DeleteDocumentRequest(document_id=document_id))).deleted_chunk_count

    async def stats(self) -> pb.GetStatsResponse:
        return await self.call(pb.GetStatsRequest())


def settings(folder: Path, **fields: Any) -> Settings:
    """Settings of a service on any free port that keeps its data in `folder`."""
    values = {"port": 0, "data_dir": folder, "drain_seconds": 1.0, "old_version_grace_seconds": 0.2}
    return Settings(**(values | fields), _env_file=None)


class ShiftedClock(SystemClock):
    """The machine's clock, ahead by as much as a test wants."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return super().now() + self.ahead


@asynccontextmanager
async def running(folder: Path, clock: Clock | None = None, **fields: Any) -> AsyncIterator[Client]:
    """The service over `folder`, and a client of tenant `acme`."""
    async with (
        start(settings(folder, **fields), clock) as server,
        open_channel(server.address, max_message_bytes=16 * MIB) as channel,
    ):
        yield Client(channel, address=server.address)


def where(field_name: str, negate: bool = False, **test: Any) -> filter_pb2.Filter:
    """A filter of one condition; `equals` and `any_of` take plain values."""
    if "equals" in test:
        value = struct_pb2.Struct()
        value.update({"value": test["equals"]})
        test = {"equals": value.fields["value"]}
    if "any_of" in test:
        values = struct_pb2.ListValue()
        values.extend(test["any_of"])
        test = {"any_of": values}
    condition = filter_pb2.Condition(field=field_name, negate=negate, **test)
    return filter_pb2.Filter(conditions=[condition])
