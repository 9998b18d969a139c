"""A gateway that keeps documents in memory, for tests of the client: real gRPC, no services behind it.

It runs on threads, so that tests may use the client on an event loop of their own, in a thread, or in
another process.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from docuquery.common.v1.answer_pb2 import Citation, CitationVerdict, Degradation, DegradationKind, Outcome
from docuquery.common.v1.conversation_pb2 import Conversation, PromptVersion, Turn
from docuquery.common.v1.document_pb2 import (
    Document,
    DocumentError,
    DocumentStatus,
    DocumentType,
    IfExistsPolicy,
    UploadResult,
)
from docuquery.common.v1.error_reason_pb2 import ErrorReason
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.common.v1.text_pb2 import PageRange, TextSpan
from docuquery.common.v1.upload_pb2 import (
    UploadDone,
    UploadHeader,
    UploadParsed,
    UploadProgress,
    UploadReceived,
)
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import (
    DocuQueryServiceServicer,
    add_DocuQueryServiceServicer_to_server,
)

NAMESPACE = uuid.UUID("6f0f7f1e-0c2d-4a67-9d62-0d8a4f6f3a11")

ANSWER = "Core hours are 10:00 to 15:00. The allowance is €450."


def status(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    violations: tuple[tuple[str, str], ...] = (),
    retry_after_seconds: float | None = None,
    request_id: str = "",
    **metadata: str,
) -> Status:
    """A google.rpc.Status as DocuQuery sends it."""
    made = Status(code=code.value[0], message=message)
    info = ErrorInfo(reason=reason, domain="docuquery", metadata=metadata)
    if request_id:
        info.metadata["request_id"] = request_id
    made.details.add().Pack(info)
    if violations:
        made.details.add().Pack(
            BadRequest(
                field_violations=[BadRequest.FieldViolation(field=f, description=d) for f, d in violations]
            )
        )
    if retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_seconds * 1e9))
        made.details.add().Pack(RetryInfo(retry_delay=delay))
    return made


NO_SERVICE = status(
    grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE", "The ingest service cannot be reached. Try again."
)


def query_result(question: str = "What are the core hours?") -> pb.QueryResult:
    """An answer of two sentences, each citing a source of its own."""
    first, second = ANSWER[:30], ANSWER[31:]
    assert (first, second) == ("Core hours are 10:00 to 15:00.", "The allowance is €450.")
    handbook = Passage(
        document_id=str(uuid.uuid5(NAMESPACE, "h")), filename="handbook.pdf", source="handbook.pdf",
        chunk_id="c1", text="Core hours are 10:00 to 15:00 at all sites.", pages=PageRange(first=3, last=4),
        headings=["Work", "Hours"], score=0.81,
    )  # fmt: skip
    allowance = Passage(
        document_id=str(uuid.uuid5(NAMESPACE, "a")), filename="allowance.md", source="hr/allowance.md",
        chunk_id="c2", text="The home office allowance is €450.", headings=["Allowance"], score=0.52,
    )  # fmt: skip
    return pb.QueryResult(
        query_id="q-1",
        question=question,
        answer=ANSWER,
        sources=[handbook, allowance],
        citations=[
            Citation(
                source_number=1, filename="handbook.pdf", chunk_id="c1",
                quote="Core hours are 10:00 to 15:00",
                pages=PageRange(first=3, last=3), headings=["Work", "Hours"],
                answer_span=TextSpan(char_start=0, char_end=30),
                verdict=CitationVerdict.CITATION_VERDICT_VERBATIM, score=1.0,
            ),
            Citation(
                source_number=2, filename="allowance.md", chunk_id="c2", quote="allowance is €450",
                headings=["Allowance"], answer_span=TextSpan(char_start=31, char_end=len(ANSWER)),
                verdict=CitationVerdict.CITATION_VERDICT_SUPPORTED, score=0.9,
            ),
        ],
        confidence=0.87,
        groundedness=1.0,
        outcome=Outcome.OUTCOME_ANSWERED,
        latency=pb.Latency(total_ms=34),
        provider="extractive",
    )  # fmt: skip


def no_evidence(question: str) -> pb.QueryResult:
    """What the gateway says when no passage is relevant."""
    return pb.QueryResult(
        query_id="q-2",
        question=question,
        answer="The documents hold nothing about this.",
        outcome=Outcome.OUTCOME_NO_EVIDENCE,
        degradations=[Degradation(kind=DegradationKind.DEGRADATION_KIND_SPARSE_ONLY, detail="No embedder.")],
    )


@dataclass
class _Incoming:
    header: UploadHeader
    content: bytearray = field(default_factory=bytearray)
    pieces: int = 0


class _Refusal(grpc.Status):
    """A status with metadata besides its details."""

    def __init__(self, refused: Status, metadata: tuple[tuple[str, str], ...]) -> None:
        told = rpc_status.to_status(refused)
        self.code, self.details = told.code, told.details
        self.trailing_metadata = (*told.trailing_metadata, *metadata)


PASSWORD = "sésame"
"""Opens the encrypted documents of FakeGateway."""


class FakeGateway(DocuQueryServiceServicer):
    """See the module. The public attributes are switches for tests."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.contents: dict[str, bytes] = {}
        self.calls: list[tuple[str, dict[str, str]]] = []
        """Every call: method and metadata, `grpc-timeout` seconds under `timeout`."""
        self.failures: dict[str, list[Status]] = {}
        """What the next calls of a method fail with."""
        self.silent_failures = 0
        """So many of the next calls end as if a connection had broken: UNAVAILABLE, without a word."""
        self.break_after: list[int] = []
        """For each upload stream in turn: documents acknowledged before it breaks."""
        self.break_with = NO_SERVICE
        """What they break with."""
        self.retryable: dict[str, int] = {}
        """For a source: how often it fails in a way that can be retried."""
        self.retryable_reason = "EMBEDDER_UNAVAILABLE"
        self.largest_piece = 0
        self.most_open = 0
        """Documents sent and not yet acknowledged, at most."""
        self.hold = threading.Event()
        """While clear, uploads are read but not acknowledged."""
        self.hold.set()
        self.reading = threading.Event()
        """While clear, uploads are not even read."""
        self.reading.set()
        self.cancelled = threading.Event()
        """Set when a caller left a stream."""
        self.result = query_result()
        self.degradations: Sequence[Degradation] = ()
        """What Search reports."""
        self.stream_until = 99
        """Events of StreamQuery that are sent."""
        self.stream_failure: Status | None = None
        """What StreamQuery ends with after them."""
        self.system = pb.GetSystemStatusResponse(
            state=pb.COMPONENT_STATE_SERVING,
            components=[
                pb.Component(name=name, state=pb.COMPONENT_STATE_SERVING, latency_ms=0.5)
                for name in ("gateway", "ingest", "retrieval", "answer")
            ],
            providers=[pb.ProviderStatus(name="extractive", adapter="extractive", available=True)],
            breakers=[pb.Breaker(target="service:ingest", state=pb.BREAKER_STATE_CLOSED)],
            version="0.1.0",
        )
        self.requests: list[object] = []

    # --- helpers ---

    def _begin(self, method: str, request: object, context: grpc.ServicerContext) -> None:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        remaining = context.time_remaining()
        metadata["timeout"] = "" if remaining is None or remaining > 1e6 else f"{remaining:.1f}"
        self.calls.append((method, metadata))
        self.requests.append(request)
        if self.silent_failures:
            self.silent_failures -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        if queue := self.failures.get(method):
            # Whoever is refused in words decides by itself, as the gateway has it.
            context.abort_with_status(_Refusal(queue.pop(0), (("grpc-retry-pushback-ms", "-1"),)))

    def metadata_of(self, method: str) -> dict[str, str]:
        """The metadata of the last call of `method`."""
        return next(metadata for name, metadata in reversed(self.calls) if name == method)

    def store(self, header: UploadHeader, content: bytes) -> tuple[UploadResult.ValueType, Document]:
        """Keeps a document; says what that did."""
        source = header.source or header.filename
        old = self.documents.get(source)
        version = hashlib.sha256(content).hexdigest()
        if old is not None and old.live_version == version:
            if not header.HasField("metadata") or header.metadata == old.metadata:
                return UploadResult.UPLOAD_RESULT_UNCHANGED, old
            old.metadata.CopyFrom(header.metadata)
            return UploadResult.UPLOAD_RESULT_METADATA_UPDATED, old
        if old is not None and header.if_exists == IfExistsPolicy.IF_EXISTS_POLICY_SKIP:
            return UploadResult.UPLOAD_RESULT_SKIPPED, old
        document = Document(
            document_id=str(uuid.uuid5(NAMESPACE, source)),
            source=source,
            filename=header.filename,
            type=header.type or DocumentType.DOCUMENT_TYPE_TEXT,
            size_bytes=len(content),
            chunk_count=1 + len(content) // 500,
            status=DocumentStatus.DOCUMENT_STATUS_INDEXED,
            live_version=version,
            metadata=header.metadata,
            language=header.language,
        )
        self.documents[source] = document
        self.contents[source] = content
        created = old is None
        return (
            UploadResult.UPLOAD_RESULT_CREATED if created else UploadResult.UPLOAD_RESULT_REPLACED
        ), document

    def _by_id(self, document_id: str, context: grpc.ServicerContext) -> Document:
        for document in self.documents.values():
            if document.document_id == document_id:
                return document
        context.abort_with_status(
            rpc_status.to_status(
                status(
                    grpc.StatusCode.NOT_FOUND,
                    "DOCUMENT_NOT_FOUND",
                    "There is no such document.",
                    request_id="server-id",
                )
            )
        )

    # --- uploads ---

    def UploadDocument(
        self, request: pb.UploadDocumentRequest, context: grpc.ServicerContext
    ) -> pb.UploadDocumentResponse:
        self._begin("UploadDocument", request, context)
        header = UploadHeader(
            filename=request.filename,
            source=request.source,
            metadata=request.metadata if request.HasField("metadata") else None,
        )
        result, document = self.store(header, request.content)
        return pb.UploadDocumentResponse(result=result, document=document)

    def UploadDocuments(
        self, request_iterator: Iterator[pb.UploadDocumentsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.UploadDocumentsResponse]:
        self._begin("UploadDocuments", None, context)
        context.add_callback(self.cancelled.set)
        budget = self.break_after.pop(0) if self.break_after else None
        incoming: dict[str, _Incoming] = {}
        waiting: list[tuple[str, _Incoming, str]] = []
        acknowledged = 0
        for message in request_iterator:
            self.reading.wait(10)
            part = message.WhichOneof("part")
            if part == "header":
                assert message.upload_id not in incoming, "an upload id was used twice"
                incoming[message.upload_id] = _Incoming(message.header)
                self.most_open = max(self.most_open, len(incoming) + len(waiting))
                if message.header.size_bytes > 2_000_000_000:
                    yield _failed(message.upload_id, "DOCUMENT_TOO_LARGE", "It is too large.")
            elif part == "data":
                self.largest_piece = max(self.largest_piece, len(message.data))
                incoming[message.upload_id].content += message.data
                incoming[message.upload_id].pieces += 1
            else:
                waiting.append((message.upload_id, incoming.pop(message.upload_id), message.footer.sha256))
                if not self.hold.is_set():
                    continue
                for upload in waiting:
                    yield from self._finish(*upload)
                    acknowledged += 1
                    if budget is not None and acknowledged == budget:
                        context.abort_with_status(rpc_status.to_status(self.break_with))
                waiting.clear()
        self.hold.wait(10)
        for upload in waiting:
            yield from self._finish(*upload)

    def _finish(self, upload_id: str, upload: _Incoming, sha256: str) -> Iterator[pb.UploadDocumentsResponse]:
        content = bytes(upload.content)
        source = upload.header.source or upload.header.filename
        yield _event(upload_id, UploadProgress(received=UploadReceived(size_bytes=len(content))))
        if hashlib.sha256(content).hexdigest() != sha256:
            yield _failed(upload_id, "CHECKSUM_MISMATCH", "The bytes do not match the checksum.")
        elif self.retryable.get(source, 0) > 0:
            self.retryable[source] -= 1
            yield _failed(upload_id, self.retryable_reason, "Try again later.", retryable=True)
        elif not content:
            yield _failed(upload_id, "EMPTY_DOCUMENT", "The document has no bytes.")
        elif b"/Encrypt" in content and upload.header.password != PASSWORD:
            yield _failed(upload_id, "DOCUMENT_ENCRYPTED", "The document is encrypted. Give its password.")
        else:
            yield _event(upload_id, UploadProgress(parsed=UploadParsed(chunk_count=1)))
            result, document = self.store(upload.header, content)
            done = UploadProgress(done=UploadDone(result=result, document=document))
            yield _event(upload_id, done, document.document_id)

    # --- documents ---

    def GetDocument(
        self, request: pb.GetDocumentRequest, context: grpc.ServicerContext
    ) -> pb.GetDocumentResponse:
        self._begin("GetDocument", request, context)
        return pb.GetDocumentResponse(document=self._by_id(request.document_id, context))

    def ListDocuments(
        self, request: pb.ListDocumentsRequest, context: grpc.ServicerContext
    ) -> pb.ListDocumentsResponse:
        self._begin("ListDocuments", request, context)
        found = sorted(self.documents.values(), key=lambda d: d.source)
        for condition in request.filter.conditions:
            if condition.field == "source":
                found = [d for d in found if d.source == condition.equals.string_value]
        first, size = int(request.page_token or 0), request.page_size or 50
        more = first + size < len(found)
        return pb.ListDocumentsResponse(
            documents=found[first : first + size], next_page_token=str(first + size) if more else ""
        )

    def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, context: grpc.ServicerContext
    ) -> pb.DeleteDocumentResponse:
        self._begin("DeleteDocument", request, context)
        document = self._by_id(request.document_id, context)
        del self.documents[document.source]
        return pb.DeleteDocumentResponse(deleted_chunk_count=document.chunk_count)

    def GetStats(self, request: pb.GetStatsRequest, context: grpc.ServicerContext) -> pb.GetStatsResponse:
        self._begin("GetStats", request, context)
        return pb.GetStatsResponse(
            indexed_document_count=len(self.documents), embedder="local/test", store="memory"
        )

    # --- questions ---

    def Search(self, request: pb.SearchRequest, context: grpc.ServicerContext) -> pb.SearchResponse:
        self._begin("Search", request, context)
        return pb.SearchResponse(passages=self.result.sources, degradations=self.degradations)

    def GetPassage(
        self, request: pb.GetPassageRequest, context: grpc.ServicerContext
    ) -> pb.GetPassageResponse:
        self._begin("GetPassage", request, context)
        return pb.GetPassageResponse(text="10:00 to 15:00", before="are ", after=".")

    def Query(self, request: pb.QueryRequest, context: grpc.ServicerContext) -> pb.QueryResponse:
        self._begin("Query", request, context)
        return pb.QueryResponse(result=self.result)

    def StreamQuery(
        self, request: pb.StreamQueryRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.StreamQueryResponse]:
        self._begin("StreamQuery", request, context)
        context.add_callback(self.cancelled.set)
        events = [
            pb.StreamQueryResponse(retrieved=pb.RetrievedEvent(query_id="q-1", sources=self.result.sources))
        ]
        position = 0
        for citation in self.result.citations:
            end = citation.answer_span.char_end
            events.append(pb.StreamQueryResponse(text_delta=self.result.answer[position:end]))
            events.append(pb.StreamQueryResponse(citation=citation))
            position = end
        events.append(pb.StreamQueryResponse(completed=self.result))
        yield from events[: self.stream_until]
        if self.stream_failure is not None:
            context.abort_with_status(rpc_status.to_status(self.stream_failure))

    # --- conversations and the system ---

    def GetConversation(
        self, request: pb.GetConversationRequest, context: grpc.ServicerContext
    ) -> pb.GetConversationResponse:
        self._begin("GetConversation", request, context)
        turn = Turn(question="Where?", answer="Here.", outcome=Outcome.OUTCOME_ANSWERED)
        return pb.GetConversationResponse(
            conversation=Conversation(conversation_id=request.conversation_id, turns=[turn])
        )

    def DeleteConversation(
        self, request: pb.DeleteConversationRequest, context: grpc.ServicerContext
    ) -> pb.DeleteConversationResponse:
        self._begin("DeleteConversation", request, context)
        return pb.DeleteConversationResponse(deleted_turn_count=2)

    def GetSystemStatus(
        self, request: pb.GetSystemStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetSystemStatusResponse:
        self._begin("GetSystemStatus", request, context)
        return self.system

    def ListPrompts(
        self, request: pb.ListPromptsRequest, context: grpc.ServicerContext
    ) -> pb.ListPromptsResponse:
        self._begin("ListPrompts", request, context)
        return pb.ListPromptsResponse(
            prompts=[
                PromptVersion(version="v1", description="Names files.", sha256="ab" * 32),
                PromptVersion(version="v2", description="Numbers.", sha256="cd" * 32, is_default=True),
            ]
        )


def _event(upload_id: str, progress: UploadProgress, document_id: str = "") -> pb.UploadDocumentsResponse:
    return pb.UploadDocumentsResponse(upload_id=upload_id, document_id=document_id, progress=progress)


def _failed(
    upload_id: str, reason: str, message: str, *, retryable: bool = False
) -> pb.UploadDocumentsResponse:
    error = DocumentError(
        reason=ErrorReason.Value(f"ERROR_REASON_{reason}"), message=message, retryable=retryable
    )
    return _event(upload_id, UploadProgress(failed=error))


@contextmanager
def serving(gateway: FakeGateway, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Serves `gateway` on a free loopback port, by TLS with `credentials`; yields its address."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    add_DocuQueryServiceServicer_to_server(gateway, server)
    where = "127.0.0.1:0"
    port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        gateway.hold.set()
        gateway.reading.set()
        server.stop(None).wait()
