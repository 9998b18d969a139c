"""Typed clients of the three services behind the gateway, each behind its own circuit breaker."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc

from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.answer.v1.answer_service_pb2_grpc import AnswerServiceStub
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1.ingest_service_pb2 import IngestDocumentsRequest, IngestDocumentsResponse
from docuquery.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from libs.errors import DocuQueryError
from libs.rpc import client
from libs.rpc.reachability import Reachability
from libs.rpc.status import unavailable
from services.gateway import budget
from services.gateway.breaker import Permit
from services.gateway.breaker_model import SUCCESS, Refused
from services.gateway.breakers import Breakers, circuit_open, service_target
from services.gateway.candidates import Candidate
from services.gateway.classification import is_bare, judge_service
from services.gateway.convert import candidate_from_proto, generation_event_from_proto
from services.gateway.hedge import Hedge
from services.gateway.model import GenerationEvent

Req = TypeVar("Req")
Res = TypeVar("Res")

INGEST, RETRIEVAL, ANSWER = "ingest", "retrieval", "answer"

IDEMPOTENT_READS: dict[str, tuple[str, ...]] = {
    INGEST: (),
    RETRIEVAL: tuple(
        f"/docuquery.retrieval.v1.RetrievalService/{method}"
        for method in ("Search", "GetDocument", "ListDocuments", "GetStats", "GetPassage")
    ),
    ANSWER: tuple(
        f"/docuquery.answer.v1.AnswerService/{method}"
        for method in ("ListProviders", "ListPrompts", "GetConversation")
    ),
}
"""What gRPC may send again by itself. Never a generation: its attempts are counted (attempts.py)."""

# An upload may take an hour; whether ingest works shows at its first acknowledgement, or by then.
_UPLOAD_LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Link:
    """The way to one service."""

    name: str
    channel: grpc.aio.Channel
    reachability: Reachability
    replicated: bool
    """Whether there may be several of it."""


class Guard:
    """Puts the calls to one service behind its breaker."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._service = link.name
        self._reachability = link.reachability
        self._target = service_target(link.name)
        self._breaker = breakers.get(self._target)
        link.reachability.on_change(self._reachability_changed)

    def _reachability_changed(self, there: bool) -> None:
        if there:
            # Connected and SERVING: better evidence than that the time is up.
            self._breaker.recover()

    @contextmanager
    def watch(self, seconds: float) -> Iterator[Permit]:
        """Around one call that may take `seconds`. Raises CIRCUIT_OPEN, and what the call raises.

        A long stream may report SUCCESS on the permit at its first response: the service works, and a
        probe must not keep other calls waiting until the stream's end.
        """
        try:
            permit = self._breaker.acquire(seconds)
        except Refused as refusal:
            raise circuit_open(self._target, refusal.retry_after_seconds) from None
        with permit:
            try:
                yield permit
            except DocuQueryError as error:
                permit.report(judge_service(error, self._service, seconds))
                cancelled = error.reason == reasons.ERROR_REASON_CALLER_CANCELLED
                if cancelled and is_bare(error, self._service):
                    # Not we have cancelled (that is a CancelledError): the service dropped the call.
                    raise unavailable(self._service) from error
                raise
            permit.report(SUCCESS)

    async def bridge(self) -> None:
        """Waits a moment for a service that is not there; to be awaited inside `watch`.

        One that is restarted is back in a moment, and a call need not fail for that. For one that has gone
        the breaker soon ends the waiting.
        """
        if not self._reachability.is_reachable:
            await self._reachability.wait(budget.BRIDGE_SECONDS)

    async def unary(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Req, Res], request: Req, seconds: float
    ) -> Res:
        """One unary call. Raises DocuQueryError."""
        with self.watch(seconds):
            await self.bridge()
            return await client.unary(method, request, service=self._service, timeout_seconds=seconds)


class _IngestStream:
    """An upload stream that tells its breaker when it hears from ingest."""

    def __init__(
        self, call: client.BidiCall[IngestDocumentsRequest, IngestDocumentsResponse], permit: Permit
    ) -> None:
        self._call = call
        self._permit = permit

    async def write(self, request: IngestDocumentsRequest) -> None:
        """Sends one message; waits while flow control holds it back. Raises DocuQueryError."""
        await self._call.write(request)

    async def done_writing(self) -> None:
        """Says that no more messages follow."""
        await self._call.done_writing()

    async def responses(self) -> AsyncIterator[IngestDocumentsResponse]:
        """The acknowledgements. Raises DocuQueryError while iterating."""
        async for response in self._call.responses():
            self._permit.report(SUCCESS)
            yield response


class IngestClient:
    """The ingest service."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._stub = IngestServiceStub(link.channel)
        self._guard = Guard(link, breakers)

    @asynccontextmanager
    async def open(self, timeout_seconds: float) -> AsyncIterator[_IngestStream]:
        """An upload stream; cancelled on leaving. Raises DocuQueryError."""
        with self._guard.watch(min(timeout_seconds, _UPLOAD_LEASE_SECONDS)) as permit:
            await self._guard.bridge()
            async with client.bidi_stream(
                self._stub.IngestDocuments, service=INGEST, timeout_seconds=timeout_seconds
            ) as call:
                yield _IngestStream(call, permit)


class RetrievalClient:
    """The retrieval service's reading half, and its delete. All methods raise DocuQueryError."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._stub = RetrievalServiceStub(link.channel)
        self._guard = Guard(link, breakers)
        self._hedge = Hedge(budget.HEDGE_SECONDS if link.replicated else None)

    async def search(
        self, request: retrieval.SearchRequest, timeout_seconds: float
    ) -> retrieval.SearchResponse:
        """The passages most relevant to a query. When it takes long, another replica is asked, too."""
        return await self._hedge.run(lambda: self._guard.unary(self._stub.Search, request, timeout_seconds))

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

    async def get_passage(
        self, request: retrieval.GetPassageRequest, timeout_seconds: float
    ) -> retrieval.GetPassageResponse:
        """A piece of a document's text."""
        return await self._guard.unary(self._stub.GetPassage, request, timeout_seconds)


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
            await self._guard.bridge()
            async with (
                client.server_stream(
                    self._stub.Generate,
                    request,
                    service=ANSWER,
                    timeout_seconds=timeout_seconds,
                    accept_seconds=budget.ACCEPT_SECONDS,
                ) as responses,
                aclosing(_events(responses, permit)) as events,
            ):
                yield events

    async def rewrite_question(
        self, conversation_id: str, question: str, provider: str, timeout_seconds: float
    ) -> str:
        """The self-contained form of a follow-up question."""
        request = answer.RewriteQuestionRequest(
            conversation_id=conversation_id, question=question, provider=provider
        )
        response = await self._guard.unary(self._stub.RewriteQuestion, request, timeout_seconds)
        return response.standalone_question

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
    async for response in responses:
        permit.report(SUCCESS)
        event = generation_event_from_proto(response)
        if event is not None:
            yield event
