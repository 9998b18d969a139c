"""Typed clients of the three services behind the gateway, each behind its own circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.answer.v1.answer_service_pb2_grpc import AnswerServiceStub
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1.ingest_service_pb2 import IngestDocumentsRequest, IngestDocumentsResponse
from docuquery.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from libs.errors import DocuQueryError
from libs.rpc import client
from services.gateway import budget
from services.gateway.breakers.breaker import Permit
from services.gateway.breakers.model import IGNORED, SUCCESS
from services.gateway.breakers.registry import Breakers
from services.gateway.convert import candidate_from_proto, generation_event_from_proto
from services.gateway.downstream.guard import Guard, Link
from services.gateway.downstream.hedge import Hedge
from services.gateway.fallback.candidates import Candidate
from services.gateway.fallback.classification import is_bare
from services.gateway.model import GenerationEvent, Standalone

INGEST, RETRIEVAL, ANSWER = "ingest", "retrieval", "answer"

IDEMPOTENT_READS: dict[str, tuple[str, ...]] = {
    INGEST: (),
    RETRIEVAL: tuple(
        f"/docuquery.retrieval.v1.RetrievalService/{method}"
        for method in ("Search", "GetDocument", "ListDocuments", "GetStats", "GetPassage", "LookupAnswer")
    ),
    ANSWER: tuple(
        f"/docuquery.answer.v1.AnswerService/{method}"
        for method in ("ListProviders", "ListPrompts", "GetConversation")
    ),
}
"""What gRPC may send again by itself. Never a generation: its attempts are counted (ladder.py)."""

# An upload may take an hour; whether ingest takes it shows by then.
_UPLOAD_LEASE_SECONDS = 60.0


class _IngestStream:
    """An upload stream that knows whether ingest has said anything."""

    def __init__(self, call: client.BidiCall[IngestDocumentsRequest, IngestDocumentsResponse]) -> None:
        self._call = call
        self.heard = False

    async def write(self, request: IngestDocumentsRequest) -> None:
        """Sends one message; waits while flow control holds it back. Raises DocuQueryError."""
        await self._call.write(request)

    async def done_writing(self) -> None:
        """Says that no more messages follow."""
        await self._call.done_writing()

    async def responses(self) -> AsyncIterator[IngestDocumentsResponse]:
        """The acknowledgements. Raises DocuQueryError while iterating."""
        async for response in self._call.responses():
            self.heard = True
            yield response


async def _note_acceptance(
    call: client.BidiCall[IngestDocumentsRequest, IngestDocumentsResponse], permit: Permit
) -> bool:
    accepted = await call.accepted()
    if accepted:
        permit.accepted()
    return accepted


def _is_not_of_ingest(error: DocuQueryError, accepting: asyncio.Task[bool]) -> bool:
    """Whether `error`, which ended a stream, is no failure of the service.

    The proxy ends streams for their callers' faults. And of one that ingest has taken the time is its
    caller's to spend: when ingest is what is slow, `UploadPolicy.stall_seconds` says so.
    """
    if not is_bare(error, INGEST):
        return True
    if error.reason != reasons.ERROR_REASON_DEADLINE_EXCEEDED or not accepting.done():
        return False
    return not accepting.cancelled() and not accepting.exception() and accepting.result()


class IngestClient:
    """The ingest service."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._stub = IngestServiceStub(link.channel)
        self._guard = Guard(link, breakers)

    @asynccontextmanager
    async def open(self, timeout_seconds: float) -> AsyncIterator[_IngestStream]:
        """An upload stream; cancelled on leaving. Raises DocuQueryError."""
        with self._guard.watch(min(timeout_seconds, _UPLOAD_LEASE_SECONDS)) as permit:
            left = await self._guard.bridge(timeout_seconds)
            async with client.bidi_stream(
                self._stub.IngestDocuments, service=INGEST, timeout_seconds=left
            ) as call:
                accepting = asyncio.create_task(_note_acceptance(call, permit))
                stream = _IngestStream(call)
                try:
                    yield stream
                except DocuQueryError as error:
                    if _is_not_of_ingest(error, accepting):
                        permit.report(SUCCESS if stream.heard else IGNORED)
                    raise
                finally:
                    accepting.cancel()
                    await asyncio.gather(accepting, return_exceptions=True)


class RetrievalClient:
    """The retrieval service's reading half, and its delete. All methods raise DocuQueryError."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._stub = RetrievalServiceStub(link.channel)
        self._guard = Guard(link, breakers)
        self._hedge = Hedge(budget.HEDGE_SECONDS if link.replicated else None)

    async def search(
        self, request: retrieval.SearchRequest, timeout_seconds: float
    ) -> retrieval.SearchResponse:
        """The passages most relevant to a query. When it takes long, it is asked for again.

        Each asking has what is left of `timeout_seconds`.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        return await self._hedge.run(
            lambda: self._guard.unary(self._stub.Search, request, max(0.0, end - loop.time()))
        )

    async def get_document(
        self, request: retrieval.GetDocumentRequest, timeout_seconds: float
    ) -> retrieval.GetDocumentResponse:
        """One document."""
        return await self._guard.unary(self._stub.GetDocument, request, timeout_seconds)

    async def list_documents(
        self, request: retrieval.ListDocumentsRequest, timeout_seconds: float
    ) -> retrieval.ListDocumentsResponse:
        """Documents, newest first."""
        return await self._guard.unary(self._stub.ListDocuments, request, timeout_seconds)

    async def delete_document(
        self, request: retrieval.DeleteDocumentRequest, timeout_seconds: float
    ) -> retrieval.DeleteDocumentResponse:
        """Deletes a document."""
        return await self._guard.unary(self._stub.DeleteDocument, request, timeout_seconds)

    async def get_stats(self, timeout_seconds: float) -> retrieval.GetStatsResponse:
        """Counts."""
        return await self._guard.unary(self._stub.GetStats, retrieval.GetStatsRequest(), timeout_seconds)

    async def get_store_status(self, timeout_seconds: float) -> retrieval.GetStoreStatusResponse:
        """What is going on in the store; not behind the breaker, since it is asked when things are wrong."""
        request = retrieval.GetStoreStatusRequest()
        return await client.unary(
            self._stub.GetStoreStatus, request, service=RETRIEVAL, timeout_seconds=timeout_seconds
        )

    async def get_passage(
        self, request: retrieval.GetPassageRequest, timeout_seconds: float
    ) -> retrieval.GetPassageResponse:
        """A piece of a document's text."""
        return await self._guard.unary(self._stub.GetPassage, request, timeout_seconds)

    async def lookup_answer(
        self, request: retrieval.LookupAnswerRequest, timeout_seconds: float
    ) -> retrieval.LookupAnswerResponse:
        """The answer to a question asked before, and the present corpus revision."""
        return await self._guard.optional(self._stub.LookupAnswer, request, timeout_seconds)

    async def store_answer(
        self, request: retrieval.StoreAnswerRequest, timeout_seconds: float
    ) -> retrieval.StoreAnswerResponse:
        """Keeps an answer."""
        return await self._guard.optional(self._stub.StoreAnswer, request, timeout_seconds)


class AnswerClient:
    """The answer service. All methods raise DocuQueryError."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._stub = AnswerServiceStub(link.channel)
        self._guard = Guard(link, breakers)

    @asynccontextmanager
    async def generate(
        self, request: answer.GenerateRequest, timeout_seconds: float
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """The events of one generation; the call is cancelled on leaving. Raises while iterating, too.

        A service that has not even sent its headers after `budget.ACCEPT_SECONDS` is broken itself, and
        its silence is no verdict on a provider: SERVICE_UNAVAILABLE.
        """
        with self._guard.watch(timeout_seconds) as permit:
            left = await self._guard.bridge(timeout_seconds)
            async with (
                client.server_stream(
                    self._stub.Generate,
                    request,
                    service=ANSWER,
                    timeout_seconds=left,
                    accept_seconds=budget.ACCEPT_SECONDS,
                    on_accepted=permit.accepted,
                ) as responses,
                aclosing(_events(responses, permit)) as events,
            ):
                yield events

    async def rewrite_question(
        self, conversation_id: str, question: str, provider: str, timeout_seconds: float
    ) -> Standalone:
        """The self-contained form of a follow-up question."""
        request = answer.RewriteQuestionRequest(
            conversation_id=conversation_id, question=question, provider=provider
        )
        response = await self._guard.unary(self._stub.RewriteQuestion, request, timeout_seconds)
        return Standalone(response.standalone_question, response.is_self_contained)

    async def append_turn(self, request: answer.AppendTurnRequest, timeout_seconds: float) -> None:
        """Adds a turn to a conversation."""
        await self._guard.unary(self._stub.AppendTurn, request, timeout_seconds)

    async def get_conversation(
        self, request: answer.GetConversationRequest, timeout_seconds: float
    ) -> answer.GetConversationResponse:
        """The kept turns of a conversation."""
        return await self._guard.unary(self._stub.GetConversation, request, timeout_seconds)

    async def delete_conversation(
        self, request: answer.DeleteConversationRequest, timeout_seconds: float
    ) -> answer.DeleteConversationResponse:
        """Forgets a conversation."""
        return await self._guard.unary(self._stub.DeleteConversation, request, timeout_seconds)

    async def list_prompts(self, timeout_seconds: float) -> answer.ListPromptsResponse:
        """The prompt versions."""
        return await self._guard.unary(self._stub.ListPrompts, answer.ListPromptsRequest(), timeout_seconds)

    async def list_providers(self) -> Sequence[Candidate]:
        """The providers."""
        response = await self._guard.unary(
            self._stub.ListProviders, answer.ListProvidersRequest(), budget.PROVIDER_LIST_SECONDS
        )
        return tuple(candidate_from_proto(provider) for provider in response.providers)


async def _events(
    responses: AsyncIterator[answer.GenerateResponse], permit: Permit
) -> AsyncGenerator[GenerationEvent, None]:
    begun = False
    try:
        async for response in responses:
            begun = True
            event = generation_event_from_proto(response)
            if event is not None:
                yield event
    except DocuQueryError as error:
        if begun and error.reason == reasons.ERROR_REASON_DEADLINE_EXCEEDED:
            permit.report(IGNORED)  # a model that writes, or a caller that reads, has used up the time
        raise
