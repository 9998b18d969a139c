"""DocuQueryService: checks the request, hands it to who does the work, and words the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceServicer
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from libs.clock import Clock
from libs.rpc.context import current_call
from services.gateway import budget, convert
from services.gateway.downstream.clients import AnswerClient, RetrievalClient
from services.gateway.model import Finished
from services.gateway.search import Searcher
from services.gateway.status.convert import status_to_proto
from services.gateway.status.system import StatusReporter
from services.gateway.telemetry import Queries
from services.gateway.uploads.proxy import UploadProxy
from services.gateway.uploads.unary import UnaryUpload
from services.gateway.validation.requests import Rules


def _read_seconds() -> float:
    return budget.bounded(current_call().deadline, budget.READ_SECONDS).remaining()


class DocuQueryServicer(DocuQueryServiceServicer):
    """The public RPCs."""

    def __init__(
        self,
        *,
        rules: Rules,
        default_top_k: int,
        queries: Queries,
        searcher: Searcher,
        unary_upload: UnaryUpload,
        upload_proxy: UploadProxy,
        retrieval_client: RetrievalClient,
        answer_client: AnswerClient,
        status: StatusReporter,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._default_top_k = default_top_k
        self._queries = queries
        self._searcher = searcher
        self._unary_upload = unary_upload
        self._upload_proxy = upload_proxy
        self._retrieval = retrieval_client
        self._answer = answer_client
        self._status = status
        self._clock = clock

    async def UploadDocument(
        self, request: pb.UploadDocumentRequest, _context: object
    ) -> pb.UploadDocumentResponse:
        self._rules.upload_document(request)
        done = await self._unary_upload.run(request, current_call().deadline.remaining())
        return pb.UploadDocumentResponse(result=done.result, document=done.document)

    async def UploadDocuments(
        self, request_iterator: AsyncIterator[pb.UploadDocumentsRequest], _context: object
    ) -> AsyncIterator[pb.UploadDocumentsResponse]:
        seconds = current_call().deadline.remaining()
        async with aclosing(self._upload_proxy.run(request_iterator, seconds)) as responses:
            async for response in responses:
                yield response

    async def GetDocument(self, request: pb.GetDocumentRequest, _context: object) -> pb.GetDocumentResponse:
        self._rules.document_id(request)
        wanted = retrieval.GetDocumentRequest(document_id=request.document_id.lower())
        response = await self._retrieval.get_document(wanted, _read_seconds())
        return pb.GetDocumentResponse(document=response.document)

    async def ListDocuments(
        self, request: pb.ListDocumentsRequest, _context: object
    ) -> pb.ListDocumentsResponse:
        self._rules.list_documents(request)
        response = await self._retrieval.list_documents(convert.list_request(request), _read_seconds())
        return pb.ListDocumentsResponse(
            documents=response.documents, next_page_token=response.next_page_token
        )

    async def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, _context: object
    ) -> pb.DeleteDocumentResponse:
        self._rules.document_id(request)
        wanted = retrieval.DeleteDocumentRequest(document_id=request.document_id.lower())
        response = await self._retrieval.delete_document(wanted, _read_seconds())
        return pb.DeleteDocumentResponse(deleted_chunk_count=response.deleted_chunk_count)

    async def GetStats(self, _request: pb.GetStatsRequest, _context: object) -> pb.GetStatsResponse:
        return convert.stats_response(await self._retrieval.get_stats(_read_seconds()))

    async def Search(self, request: pb.SearchRequest, _context: object) -> pb.SearchResponse:
        began = self._clock.monotonic()
        self._rules.search(request)
        deadline = budget.bounded(current_call().deadline, budget.SEARCH_SECONDS)
        found = await self._searcher.search(convert.plain_search_request(request), deadline)
        return pb.SearchResponse(
            passages=found.passages,
            degradations=map(convert.degradation_to_proto, found.degradations),
            latency_ms=(self._clock.monotonic() - began) * 1000,
        )

    async def GetPassage(self, request: pb.GetPassageRequest, _context: object) -> pb.GetPassageResponse:
        self._rules.get_passage(request)
        response = await self._retrieval.get_passage(convert.passage_request(request), _read_seconds())
        return convert.passage_response(response)

    async def Query(self, request: pb.QueryRequest, _context: object) -> pb.QueryResponse:
        self._rules.query(request)
        question = convert.question_from_proto(request, self._default_top_k)
        async with aclosing(self._queries.run(question, current_call().deadline, whole=True)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return pb.QueryResponse(result=convert.result_to_proto(event.result))
        raise RuntimeError("a query ended without a result and without an error")

    async def StreamQuery(
        self, request: pb.StreamQueryRequest, _context: object
    ) -> AsyncIterator[pb.StreamQueryResponse]:
        self._rules.stream_query(request)
        question = convert.question_from_proto(request.query, self._default_top_k)
        async with aclosing(self._queries.run(question, current_call().deadline, whole=False)) as events:
            async for event in events:
                yield convert.event_to_proto(event)

    async def GetConversation(
        self, request: pb.GetConversationRequest, _context: object
    ) -> pb.GetConversationResponse:
        self._rules.conversation_id(request)
        wanted = answer.GetConversationRequest(conversation_id=request.conversation_id)
        response = await self._answer.get_conversation(wanted, _read_seconds())
        return pb.GetConversationResponse(conversation=response.conversation)

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, _context: object
    ) -> pb.DeleteConversationResponse:
        self._rules.conversation_id(request)
        wanted = answer.DeleteConversationRequest(conversation_id=request.conversation_id)
        response = await self._answer.delete_conversation(wanted, _read_seconds())
        return pb.DeleteConversationResponse(deleted_turn_count=response.deleted_turn_count)

    async def GetSystemStatus(
        self, _request: pb.GetSystemStatusRequest, _context: object
    ) -> pb.GetSystemStatusResponse:
        return status_to_proto(await self._status.report(), self._clock.now())

    async def ListPrompts(self, _request: pb.ListPromptsRequest, _context: object) -> pb.ListPromptsResponse:
        response = await self._answer.list_prompts(_read_seconds())
        return pb.ListPromptsResponse(prompts=response.prompts)
