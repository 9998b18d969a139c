"""A real gateway between a real channel and three small services that do what a test tells them.

The services behind are served like the real ones (same layers, over loopback); a `Relay` between the
gateway and a service can be cut or paused, as a killed or a stopped process is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.answer.v1.answer_service_pb2_grpc import (
    AnswerServiceServicer,
    add_AnswerServiceServicer_to_server,
)
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED, Citation
from docuquery.common.v1.conversation_pb2 import Conversation, PromptVersion
from docuquery.common.v1.document_pb2 import DOCUMENT_STATUS_INDEXED, Document, UploadResult
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_SPARSE, Passage
from docuquery.common.v1.reindex_pb2 import REINDEX_STATE_RUNNING, Reindex
from docuquery.common.v1.text_pb2 import TextSpan
from docuquery.gateway.v1.admin_service_pb2_grpc import AdminServiceStub
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from docuquery.ingest.v1 import ingest_service_pb2 as ingest
from docuquery.ingest.v1.ingest_service_pb2_grpc import (
    IngestServiceServicer,
    add_IngestServiceServicer_to_server,
)
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import (
    RetrievalServiceServicer,
    add_RetrievalServiceServicer_to_server,
)
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.rpc.context import current_call
from libs.rpc.server import ServiceRegistration, serve
from libs.settings import ServiceSettings
from services.gateway.app import start
from services.gateway.settings import Settings

if TYPE_CHECKING:
    from docuquery.gateway.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceAsyncStub

DOCUMENT_ID = "2f1c9a4e-0b7d-5c3e-9a1f-6d2b8e4c7a90"
UNKNOWN_ID = "00000000-0000-5000-8000-000000000000"
HANG = "hang"
CRASH = "crash"

Step = answer.GenerateResponse | DocuQueryError | float | str
"""Something to send, an error to raise, seconds to wait, HANG, or CRASH: gRPC itself fails, wordlessly."""


def started(provider: str) -> answer.GenerateResponse:
    model = f"{provider}-model"
    return answer.GenerateResponse(started=answer.GenerationStarted(provider=provider, model=model))


def text(piece: str) -> answer.GenerateResponse:
    return answer.GenerateResponse(text_delta=piece)


def completed(provider: str) -> answer.GenerateResponse:
    return answer.GenerateResponse(
        completed=answer.GenerationCompleted(
            answer="Ten days.",
            citations=[Citation(source_number=1, document_id=DOCUMENT_ID, quote="ten days")],
            outcome=OUTCOME_ANSWERED,
            provider=provider,
            model=f"{provider}-model",
            prompt_version="v2",
        )
    )


def answering(provider: str) -> list[Step]:
    citation = answer.GenerateResponse(citation=Citation(source_number=1, quote="ten days"))
    return [started(provider), text("Ten "), text("days."), citation, completed(provider)]


def failure(reason: str, *, retry_after: float | None = None, phase: str = "OPENING") -> DocuQueryError:
    return DocuQueryError(
        getattr(reasons, f"ERROR_REASON_{reason}"),
        f"Scripted: {reason}.",
        metadata={"phase": phase},
        retry_after_seconds=retry_after,
    )


@dataclass(frozen=True)
class Seen:
    """A call as it arrived at a service."""

    method: str
    tenant: str
    request_id: str
    request: Any
    seconds_left: float


class _Recording:
    """Notes every call, and how many are under way."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.under_way = 0
        self.cancelled = 0
        self.error: DocuQueryError | None = None

    def note(self, request: Any) -> None:
        call = current_call()
        method = call.method.rpartition("/")[2]
        left = call.deadline.remaining()
        self.seen.append(Seen(method, call.identity.tenant, call.request_id, request, left))
        if self.error is not None:
            raise self.error

    def calls(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method]

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        self.under_way += 1
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1


class FakeAnswer(_Recording, AnswerServiceServicer):
    """Follows a script for each provider: one for each time it is asked, the last one again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: dict[str, list[list[Step]]] = {"extractive": [answering("extractive")]}
        self.asked: list[str] = []
        self.wrapped_up = 0
        self.rewrite: str | DocuQueryError | float = "How many days of sick leave are there?"
        self.conversations: dict[tuple[str, str], Conversation] = {}

    async def Generate(
        self, request: answer.GenerateRequest, context: Any
    ) -> AsyncIterator[answer.GenerateResponse]:
        self.note(request)
        scripts = self.scripts[request.provider]
        script = scripts[min(self.asked.count(request.provider), len(scripts) - 1)]
        self.asked.append(request.provider)
        async with self.streaming():
            for step in script:
                if isinstance(step, DocuQueryError):
                    metadata = {**step.metadata, "provider": request.provider}
                    raise DocuQueryError(
                        step.reason,
                        step.message,
                        metadata=metadata,
                        retry_after_seconds=step.retry_after_seconds,
                    )
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif step == HANG:
                    await asyncio.Event().wait()
                elif step == CRASH:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gRPC itself")
                elif isinstance(step, answer.GenerateResponse) and (
                    request.stream_text or step.WhichOneof("event") in ("started", "completed")
                ):
                    yield step
            self.wrapped_up += 1

    async def RewriteQuestion(
        self, request: answer.RewriteQuestionRequest, context: Any
    ) -> answer.RewriteQuestionResponse:
        self.note(request)
        if isinstance(self.rewrite, DocuQueryError):
            raise self.rewrite
        if isinstance(self.rewrite, float):
            await asyncio.sleep(self.rewrite)
            return answer.RewriteQuestionResponse(standalone_question=request.question)
        return answer.RewriteQuestionResponse(standalone_question=self.rewrite)

    def _conversation(self, conversation_id: str) -> Conversation:
        found = self.conversations.get((current_call().identity.tenant, conversation_id))
        if found is None:
            raise DocuQueryError(reasons.ERROR_REASON_CONVERSATION_NOT_FOUND, "No such conversation.")
        return found

    async def GetConversation(
        self, request: answer.GetConversationRequest, context: Any
    ) -> answer.GetConversationResponse:
        self.note(request)
        return answer.GetConversationResponse(conversation=self._conversation(request.conversation_id))

    async def DeleteConversation(
        self, request: answer.DeleteConversationRequest, context: Any
    ) -> answer.DeleteConversationResponse:
        self.note(request)
        found = self._conversation(request.conversation_id)
        return answer.DeleteConversationResponse(deleted_turn_count=len(found.turns))

    async def ListPrompts(
        self, request: answer.ListPromptsRequest, context: Any
    ) -> answer.ListPromptsResponse:
        self.note(request)
        return answer.ListPromptsResponse(prompts=[PromptVersion(version="v2", is_default=True)])

    async def ListProviders(
        self, request: answer.ListProvidersRequest, context: Any
    ) -> answer.ListProvidersResponse:
        self.note(request)
        return answer.ListProvidersResponse(
            providers=[
                answer.Provider(
                    name=name,
                    adapter="extractive" if name == "extractive" else "openai",
                    model=f"{name}-model",
                )
                for name in self.scripts
            ]
        )


class FakeRetrieval(_Recording, RetrievalServiceServicer):
    """Knows one document of the tenant `default`."""

    def __init__(self) -> None:
        super().__init__()
        self.embedder_down = False
        self.search_seconds = 0.0
        self.document = Document(
            document_id=DOCUMENT_ID, filename="leave.md", status=DOCUMENT_STATUS_INDEXED, chunk_count=3
        )

    def _find(self, document_id: str) -> Document:
        if document_id != DOCUMENT_ID or current_call().identity.tenant != "default":
            raise DocuQueryError(reasons.ERROR_REASON_DOCUMENT_NOT_FOUND, "There is no such document.")
        return self.document

    async def Search(self, request: retrieval.SearchRequest, context: Any) -> retrieval.SearchResponse:
        self.note(request)
        async with self.streaming():
            await asyncio.sleep(self.search_seconds)
        if self.embedder_down and request.mode != SEARCH_MODE_SPARSE:
            raise DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "The embedder is down.")
        text = "Sick leave: ten days."
        passage = Passage(
            document_id=DOCUMENT_ID,
            filename="leave.md",
            version="v",
            chunk_id="c1",
            text=text,
            span=TextSpan(char_end=len(text), byte_end=len(text)),
            score=0.8,
        )
        return retrieval.SearchResponse(passages=[passage][: request.limit], mode=request.mode)

    async def GetDocument(
        self, request: retrieval.GetDocumentRequest, context: Any
    ) -> retrieval.GetDocumentResponse:
        self.note(request)
        return retrieval.GetDocumentResponse(document=self._find(request.document_id))

    async def ListDocuments(
        self, request: retrieval.ListDocumentsRequest, context: Any
    ) -> retrieval.ListDocumentsResponse:
        self.note(request)
        return retrieval.ListDocumentsResponse(documents=[self.document], next_page_token="more")

    async def DeleteDocument(
        self, request: retrieval.DeleteDocumentRequest, context: Any
    ) -> retrieval.DeleteDocumentResponse:
        self.note(request)
        return retrieval.DeleteDocumentResponse(
            deleted_chunk_count=self._find(request.document_id).chunk_count
        )

    async def GetStats(self, request: retrieval.GetStatsRequest, context: Any) -> retrieval.GetStatsResponse:
        self.note(request)
        return retrieval.GetStatsResponse(indexed_document_count=1, chunk_count=3, store="memory")

    async def GetPassage(
        self, request: retrieval.GetPassageRequest, context: Any
    ) -> retrieval.GetPassageResponse:
        self.note(request)
        return retrieval.GetPassageResponse(
            document=self._find(request.document_id),
            text="ten days",
            span=TextSpan(char_start=12, char_end=20),
        )

    async def GetStoreStatus(
        self, request: retrieval.GetStoreStatusRequest, context: Any
    ) -> retrieval.GetStoreStatusResponse:
        self.note(request)
        return retrieval.GetStoreStatusResponse(
            reindex=Reindex(state=REINDEX_STATE_RUNNING, chunks_done=3, chunk_count=9)
        )

    async def BeginAttempt(self, request: Any, context: Any) -> Any:
        raise AssertionError("the gateway never writes")

    UpdateAttempt = WriteChunks = CommitAttempt = FailAttempt = BeginAttempt


class FakeIngest(_Recording, IngestServiceServicer):
    """Takes any document but those whose bytes say what is to happen.

    `no text`, `many words`, `hang`, or `crash`: after the first acknowledgement gRPC itself fails.
    """

    def __init__(self) -> None:
        super().__init__()
        self.contents: dict[str, bytes] = {}
        self.pieces: list[int] = []
        self.keeps_content = True

    async def IngestDocuments(
        self, request_iterator: AsyncIterator[ingest.IngestDocumentsRequest], context: Any
    ) -> AsyncIterator[ingest.IngestDocumentsResponse]:
        self.note(None)
        contents: dict[str, bytearray] = defaultdict(bytearray)
        async with self.streaming():
            async for message in request_iterator:
                part = message.WhichOneof("part")
                if part == "data":
                    self.pieces.append(len(message.data))
                    if self.keeps_content:
                        contents[message.upload_id] += message.data
                elif part == "footer":
                    content = bytes(contents.pop(message.upload_id, b""))
                    if content == b"hang":
                        await asyncio.Event().wait()
                    for response in self._finish(message.upload_id, content):
                        yield response
                        if content == b"crash":
                            await context.abort(grpc.StatusCode.UNAVAILABLE, "gRPC itself")

    def _finish(self, upload_id: str, content: bytes) -> Sequence[ingest.IngestDocumentsResponse]:
        first = ingest.IngestDocumentsResponse(upload_id=upload_id, document_id=DOCUMENT_ID)
        first.progress.received.size_bytes = len(content)
        last = ingest.IngestDocumentsResponse(upload_id=upload_id, document_id=DOCUMENT_ID)
        if content == b"no text":
            last.progress.failed.reason = reasons.ERROR_REASON_NO_TEXT
            last.progress.failed.message = "The document holds no text."
        elif content == b"many words":
            last.progress.failed.reason = reasons.ERROR_REASON_DOCUMENT_CORRUPT
            last.progress.failed.message = "no " * 300_000
        else:
            self.contents[upload_id] = content
            last.progress.done.result = UploadResult.UPLOAD_RESULT_CREATED
            last.progress.done.document.CopyFrom(Document(document_id=DOCUMENT_ID, size_bytes=len(content)))
        return first, last


class Relay:
    """A TCP relay in front of a service. Cut: nobody is there. Paused: somebody is, and says nothing."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._lives, self._is_cut = 0, True
        self.port = 0

    async def listen(self) -> None:
        self._lives, self._is_cut = self._lives + 1, False
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """As when the process is killed: connections break and new ones are refused."""
        self._is_cut = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def pause(self) -> None:
        """As when the process is stopped: connections stand, nothing moves."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        life = self._lives
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        if self._is_cut or life != self._lives:  # cut meanwhile
            writer.transport.abort()
            back.transport.abort()
            return
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)


@dataclass
class System:
    """Everything a test holds in its hands."""

    api: DocuQueryServiceAsyncStub
    admin: AdminServiceAsyncStub
    address: str
    ingest: FakeIngest
    retrieval: FakeRetrieval
    answer: FakeAnswer
    relays: dict[str, Relay] = field(default_factory=dict)

    def providers(self, **scripts: list[list[Step]]) -> None:
        """The model providers, in this order, beside `extractive`."""
        self.answer.scripts = {**scripts, "extractive": [answering("extractive")]}


@asynccontextmanager
async def running(*, clock: Clock | None = None, replicas: int = 1, **settings: Any) -> AsyncIterator[System]:
    """A gateway with these settings and the three services behind it, each served `replicas` times.

    The relays of further replicas are called `retrieval-2` and so on; all replicas share one fake.
    """
    async with AsyncExitStack() as stack:
        fakes = FakeIngest(), FakeRetrieval(), FakeAnswer()
        registrations: list[tuple[str, str, Callable[[grpc.aio.Server], None]]] = [
            (
                "ingest",
                "docuquery.ingest.v1.IngestService",
                partial(add_IngestServiceServicer_to_server, fakes[0]),
            ),
            (
                "retrieval",
                "docuquery.retrieval.v1.RetrievalService",
                partial(add_RetrievalServiceServicer_to_server, fakes[1]),
            ),
            (
                "answer",
                "docuquery.answer.v1.AnswerService",
                partial(add_AnswerServiceServicer_to_server, fakes[2]),
            ),
        ]
        relays = {}
        targets = {}
        for name, full_name, register in registrations:
            addresses = []
            for number in range(1, replicas + 1):
                server = await stack.enter_async_context(
                    serve(
                        name=name,
                        settings=ServiceSettings(port=0, drain_seconds=1, _env_file=None),
                        services=[ServiceRegistration(full_name, register)],
                    )
                )
                relay = relays[name if number == 1 else f"{name}-{number}"] = Relay(server.port)
                await relay.listen()
                stack.push_async_callback(relay.cut)
                addresses.append(f"127.0.0.1:{relay.port}")
            targets[f"{name}_target"] = ",".join(addresses)
        gateway = await stack.enter_async_context(
            start(Settings(_env_file=None, port=0, drain_seconds=1, **{**targets, **settings}), clock)
        )
        channel = await stack.enter_async_context(
            grpc.aio.insecure_channel(
                gateway.address,
                options=(("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)),
            )
        )
        yield System(
            DocuQueryServiceStub(channel), AdminServiceStub(channel), gateway.address, *fakes, relays
        )


@dataclass(frozen=True)
class Failure:
    """A failed call, as a caller sees it."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    retry_after: float | None
    fields: list[str]


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """What the Status of a failed call says. Fails when it says nothing."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.code()} {error.details()}"
    info, retry_after, fields = ErrorInfo(), None, []
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry = RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Is(BadRequest.DESCRIPTOR):
            bad = BadRequest()
            detail.Unpack(bad)
            fields = [violation.field for violation in bad.field_violations]
    return Failure(
        error.code(),
        error.details() or "",
        info.reason,
        info.domain,
        dict(info.metadata),
        retry_after,
        fields,
    )


async def until(condition: Callable[[], bool], seconds: float = 2) -> None:
    """Waits for something that happens elsewhere. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
