"""What the ingest tests stand on: retrieval's write half kept in memory, documents of every kind, a client.

`MemoryRetrieval` is a real gRPC server that follows the contract and refuses whatever breaks it: a chunk
that is no slice of its text, a gap between pieces, a token that has lost its right.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

from docuquery.common.v1 import document_pb2, upload_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from docuquery.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import (
    RetrievalServiceServicer,
    add_RetrievalServiceServicer_to_server,
)
from docuquery_client.final_status import FinalStatus
from libs.errors import DocuQueryError
from libs.rpc.channel import open_channel
from libs.rpc.context import current_call
from libs.rpc.server import ServiceRegistration, serve
from libs.settings import ServiceSettings
from services.ingest import parsers
from services.ingest.app import start
from services.ingest.parsers import again
from services.ingest.settings import Settings
from services.ingest.workers.worker_process import ReadFunction

TENANT = "acme"
REQUEST_ID = ("x-request-id", "test-request")


@dataclass
class Attempt:
    """One attempt and what was written under it."""

    token: str
    request: pb.BeginAttemptRequest
    chunks: dict[int, pb.Chunk] = field(default_factory=dict)
    chunk_texts: dict[int, str] = field(default_factory=dict)
    text: str = ""
    renewals: int = 0
    languages: set[str] = field(default_factory=set)


@dataclass
class Record:
    """One document."""

    document_id: str
    live: Attempt | None = None
    attempt: Attempt | None = None
    committed: pb.CommitAttemptRequest | None = None
    error: document_pb2.DocumentError | None = None


class MemoryRetrieval(RetrievalServiceServicer):
    """The write half of RetrievalService."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}
        self.calls: Counter[str] = Counter()
        self.request_ids: set[str] = set()
        self.passwords_seen = 0
        self.failures: dict[str, list[DocuQueryError]] = defaultdict(list)
        """Method name → what its next calls fail with, in this order."""
        self.writable = asyncio.Event()
        """Cleared: WriteChunks waits."""
        self.writable.set()
        self.writing = 0
        """WriteChunks calls under way."""
        self._tokens = itertools.count(1)

    def record(self, source: str, tenant: str = TENANT) -> Record:
        return self.records[tenant, source]

    def live_text(self, source: str) -> str:
        live = self.record(source).live
        assert live is not None
        return live.text

    def lose(self, source: str) -> None:
        """What a delete or another upload does to an attempt under way."""
        self.record(source).attempt = None

    async def _enter(self, method: str) -> None:
        self.calls[method] += 1
        self.request_ids.add(current_call().request_id)
        await asyncio.sleep(0)
        if self.failures[method]:
            raise self.failures[method].pop(0)

    async def BeginAttempt(self, request: pb.BeginAttemptRequest, _context: Any) -> pb.BeginAttemptResponse:
        await self._enter("BeginAttempt")
        key = (current_call().identity.tenant, request.source)
        assert request.source
        assert request.filename
        assert "/" not in request.filename
        # A document that is still arriving is announced before its type and version are known.
        announced = not request.version
        assert (request.type == document_pb2.DOCUMENT_TYPE_UNSPECIFIED) == announced
        assert announced or len(request.version) == 64
        document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(key)))
        record = self.records.setdefault(key, Record(document_id))
        if record.live is not None:
            result = document_pb2.UPLOAD_RESULT_UNSPECIFIED
            if request.if_exists == document_pb2.IF_EXISTS_POLICY_FAIL:
                raise DocuQueryError(
                    reasons.ERROR_REASON_DOCUMENT_ALREADY_EXISTS,
                    "The document exists.",
                    metadata={"document_id": document_id},
                )
            if request.if_exists == document_pb2.IF_EXISTS_POLICY_SKIP:
                result = document_pb2.UPLOAD_RESULT_SKIPPED
            elif record.live.request.version == request.version:
                result = document_pb2.UPLOAD_RESULT_UNCHANGED
            if result:
                return pb.BeginAttemptResponse(
                    document_id=document_id,
                    nothing_to_do=pb.NothingToDo(result=result, document=self._document(record)),
                )
        record.attempt = Attempt(str(next(self._tokens)), request)
        record.error = None
        return pb.BeginAttemptResponse(document_id=document_id, attempt_token=record.attempt.token)

    async def UpdateAttempt(
        self, request: pb.UpdateAttemptRequest, _context: Any
    ) -> pb.UpdateAttemptResponse:
        await self._enter("UpdateAttempt")
        record, attempt = self._attempt(request.document_id, request.attempt_token)
        attempt.renewals += 1
        if request.version:
            attempt.request.version, attempt.request.type = request.version, request.type
            attempt.request.size_bytes = request.size_bytes
            if record.live is not None and record.live.request.version == request.version:
                record.attempt = None
                same = pb.NothingToDo(
                    result=document_pb2.UPLOAD_RESULT_UNCHANGED, document=self._document(record)
                )
                return pb.UpdateAttemptResponse(nothing_to_do=same)
        return pb.UpdateAttemptResponse()

    async def WriteChunks(self, request: pb.WriteChunksRequest, _context: Any) -> pb.WriteChunksResponse:
        await self._enter("WriteChunks")
        self.writing += 1
        try:
            await self.writable.wait()
        finally:
            self.writing -= 1
        record, attempt = self._attempt(request.document_id, request.attempt_token)
        piece, span = request.text, request.text_span
        utf8 = piece.encode()
        assert request.ByteSize() <= 1024 * 1024 + 64 * 1024
        assert 1 <= len(request.chunks) <= 512
        assert span.char_end - span.char_start == len(piece)
        assert span.byte_end - span.byte_start == len(utf8)
        # Pieces come in order, overlap or touch, and agree where they overlap.
        assert span.char_start <= len(attempt.text)
        assert attempt.text[span.char_start : span.char_end] == piece[: len(attempt.text) - span.char_start]
        attempt.text = attempt.text[: span.char_start] + piece
        # Every piece of an attempt, and its commit, names one language.
        attempt.languages.add(request.language)
        for chunk in request.chunks:
            place = chunk.span
            text = piece[place.char_start - span.char_start : place.char_end - span.char_start]
            assert span.char_start <= place.char_start < place.char_end <= span.char_end
            encoded = utf8[place.byte_start - span.byte_start : place.byte_end - span.byte_start]
            assert encoded.decode() == text
            assert text.strip()
            attempt.chunks[chunk.ordinal] = chunk
            attempt.chunk_texts[chunk.ordinal] = text
        response = pb.WriteChunksResponse(chunks_written=len(attempt.chunks))
        if request.HasField("commit"):
            await self._enter("commit")
            response.committed.CopyFrom(self._commit(record, attempt, request.commit))
        return response

    def _commit(
        self, record: Record, attempt: Attempt, request: pb.CommitAttemptRequest
    ) -> pb.CommitAttemptResponse:
        assert sorted(attempt.chunks) == list(range(request.chunk_count))
        assert len(attempt.text) == request.character_count
        assert attempt.languages == {request.language}
        result = (
            document_pb2.UPLOAD_RESULT_CREATED if record.live is None else document_pb2.UPLOAD_RESULT_REPLACED
        )
        record.live, record.committed = attempt, request
        return pb.CommitAttemptResponse(result=result, document=self._document(record))

    async def FailAttempt(self, request: pb.FailAttemptRequest, _context: Any) -> pb.FailAttemptResponse:
        await self._enter("FailAttempt")
        record, _ = self._attempt(request.document_id, request.attempt_token)
        record.attempt, record.error = None, request.error
        return pb.FailAttemptResponse(document=self._document(record))

    def _attempt(self, document_id: str, token: str) -> tuple[Record, Attempt]:
        record = next(r for r in self.records.values() if r.document_id == document_id)
        if record.attempt is None or record.attempt.token != token:
            raise DocuQueryError(
                reasons.ERROR_REASON_ATTEMPT_SUPERSEDED, "Another upload or a delete took over."
            )
        return record, record.attempt

    def _document(self, record: Record) -> document_pb2.Document:
        return document_pb2.Document(
            document_id=record.document_id,
            live_version=record.live.request.version if record.live else "",
            chunk_count=len(record.live.chunks) if record.live else 0,
        )


@asynccontextmanager
async def serving(retrieval: MemoryRetrieval, port: int = 0) -> AsyncIterator[int]:
    """`retrieval` on a loopback port, which is yielded."""
    registration = ServiceRegistration(
        "docuquery.retrieval.v1.RetrievalService",
        partial(add_RetrievalServiceServicer_to_server, retrieval),
    )
    settings = ServiceSettings(port=port, drain_seconds=5, _env_file=None)
    async with serve(name="retrieval", settings=settings, services=[registration]) as server:
        yield server.port


@dataclass
class Ingest:
    """A running ingest service and the retrieval behind it."""

    channel: grpc.aio.Channel
    retrieval: MemoryRetrieval
    spool: Path

    def open(self, tenant: str = TENANT) -> Any:
        """A new upload stream."""
        metadata = (("x-docuquery-tenant", tenant), REQUEST_ID)
        return IngestServiceStub(self.channel).IngestDocuments(metadata=metadata)

    async def upload(
        self, *documents: Document, tenant: str = TENANT
    ) -> dict[str, list[upload_pb2.UploadProgress]]:
        """Uploads documents one after the other on one stream; upload id → its events."""
        return await self.send(itertools.chain.from_iterable(d.messages() for d in documents), tenant)

    async def send(
        self, messages: Iterable[ingest_pb.IngestDocumentsRequest], tenant: str = TENANT
    ) -> dict[str, list[upload_pb2.UploadProgress]]:
        """Sends messages while reading answers; upload id → its events."""
        call = self.open(tenant)
        final = FinalStatus(call)

        async def write() -> None:
            for message in messages:
                await call.write(message)
            await call.done_writing()

        writing = asyncio.create_task(write())
        try:
            events: dict[str, list[upload_pb2.UploadProgress]] = defaultdict(list)
            async for response in call:
                events[response.upload_id].append(response.progress)
            await writing
            return events
        except grpc.aio.AioRpcError as error:
            raise await final.behind(error) from error
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            call.cancel()

    def spooled(self) -> list[str]:
        """Files of uploads on disk."""
        return [path.name for path in self.spool.rglob("*") if path.is_file() and path.name != "lock"]


@asynccontextmanager
async def running(
    spool: Path,
    retrieval: MemoryRetrieval | None = None,
    *,
    read_document: ReadFunction = parsers.read,
    read_again: ReadFunction | None = None,
    retrieval_port: int | None = None,
    **settings: Any,
) -> AsyncIterator[Ingest]:
    """The ingest service as it is started for real, with a retrieval in memory behind it.

    Without `read_again` a misbehaving `read_document` reads documents a second time, too.
    """
    if read_again is None:
        read_again = again.read if read_document is parsers.read else read_document
    retrieval = retrieval or MemoryRetrieval()
    async with serving(retrieval, retrieval_port or 0) as port:
        given = {
            "port": 0,
            "retrieval_target": f"127.0.0.1:{port}",
            "spool_dir": spool,
            "drain_seconds": 1.0,
            **settings,
        }
        async with (
            start(
                Settings(_env_file=None, **given),
                read_document=read_document,
                read_again=read_again,
            ) as server,
            open_channel(server.address, max_message_bytes=16 * 1024 * 1024) as channel,
        ):
            yield Ingest(channel, retrieval, spool)


@dataclass
class Document:
    """A document to upload."""

    filename: str
    content: bytes
    upload_id: str = ""
    type: document_pb2.DocumentType.ValueType = document_pb2.DOCUMENT_TYPE_UNSPECIFIED
    source: str = ""
    password: str = ""
    if_exists: document_pb2.IfExistsPolicy.ValueType = document_pb2.IF_EXISTS_POLICY_UNSPECIFIED
    sha256: str | None = None
    size_bytes: int = 0
    piece_bytes: int = 1000
    metadata: dict[str, Any] = field(default_factory=dict)
    language: str = ""

    @property
    def id(self) -> str:
        return self.upload_id or self.filename

    def header(self) -> ingest_pb.IngestDocumentsRequest:
        header = upload_pb2.UploadHeader(
            filename=self.filename,
            type=self.type,
            source=self.source,
            password=self.password,
            if_exists=self.if_exists,
            size_bytes=self.size_bytes,
            language=self.language,
        )
        header.metadata.update(self.metadata)
        return ingest_pb.IngestDocumentsRequest(upload_id=self.id, header=header)

    def pieces(self) -> list[ingest_pb.IngestDocumentsRequest]:
        starts = range(0, len(self.content), self.piece_bytes)
        return [data(self.id, self.content[start : start + self.piece_bytes]) for start in starts]

    def footer(self) -> ingest_pb.IngestDocumentsRequest:
        digest = hashlib.sha256(self.content).hexdigest() if self.sha256 is None else self.sha256
        footer = upload_pb2.UploadFooter(sha256=digest)
        return ingest_pb.IngestDocumentsRequest(upload_id=self.id, footer=footer)

    def messages(self) -> list[ingest_pb.IngestDocumentsRequest]:
        return [self.header(), *self.pieces(), self.footer()]


def data(upload_id: str, content: bytes) -> ingest_pb.IngestDocumentsRequest:
    return ingest_pb.IngestDocumentsRequest(upload_id=upload_id, data=content)


def interleaved(documents: Sequence[Document]) -> list[ingest_pb.IngestDocumentsRequest]:
    """The messages of all documents, one of each in turn."""
    rounds = itertools.zip_longest(*(document.messages() for document in documents))
    return [message for messages in rounds for message in messages if message is not None]


def kinds(events: Sequence[upload_pb2.UploadProgress]) -> list[str]:
    """The events of a document by name, repetitions of `indexed` left out."""
    return [name for name, _ in itertools.groupby(str(event.WhichOneof("event")) for event in events)]


def failure(events: Sequence[upload_pb2.UploadProgress]) -> document_pb2.DocumentError:
    """How a document that must have failed did so."""
    assert events[-1].WhichOneof("event") == "failed", events[-1]
    assert sum(event.WhichOneof("event") in ("failed", "done") for event in events) == 1
    return events[-1].failed


def failed_because(events: Sequence[upload_pb2.UploadProgress]) -> str:
    """The reason's short name."""
    return reasons.ErrorReason.Name(failure(events).reason).removeprefix("ERROR_REASON_")


def pdf(pages: Sequence[str], title: str = "") -> bytes:
    """A PDF with one page a text."""
    made = FPDF()
    if title:
        made.set_title(title)
    made.set_font("Helvetica", size=11)
    for text in pages:
        made.add_page()
        if text:
            made.multi_cell(0, 6, text)
    return bytes(made.output())


def encrypted(content: bytes, user: str, owner: str = "owner") -> bytes:
    """The PDF in `content`, encrypted."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(user_password=user, owner_password=owner, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
