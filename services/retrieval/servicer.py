"""The contract's methods: convert, delegate, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from docuquery.retrieval.v1 import retrieval_service_pb2_grpc as pb_grpc
from libs.rpc.context import current_call
from services.retrieval import convert
from services.retrieval.answers.cache import AnswerCache
from services.retrieval.conversion import answers as convert_answers
from services.retrieval.conversion import reply as convert_reply
from services.retrieval.conversion.enums import MODE_VALUES
from services.retrieval.conversion.piece import piece_from_proto
from services.retrieval.conversion.reindex import reindex_to_proto
from services.retrieval.documents.lifecycle import Documents
from services.retrieval.documents.listing import Listing
from services.retrieval.indexing.indexer import Indexer
from services.retrieval.reindexing.changeover import Changeover
from services.retrieval.search.reading import Reading

if TYPE_CHECKING:
    import grpc

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class RetrievalServicer(pb_grpc.RetrievalServiceServicer):
    """RetrievalService over the domain. The tenant is always the caller's, never a field's."""

    def __init__(
        self,
        *,
        documents: Documents,
        indexer: Indexer,
        listing: Listing,
        reading: Reading,
        changeover: Changeover,
        answers: AnswerCache | None,
        score_threshold: float,
        store: str,
    ) -> None:
        """`answers` None: none are kept."""
        self._documents = documents
        self._indexer = indexer
        self._listing = listing
        self._reading = reading
        self._changeover = changeover
        self._answers = answers
        self._score_threshold = score_threshold
        self._store = store

    async def BeginAttempt(
        self, request: pb.BeginAttemptRequest, _context: Context
    ) -> pb.BeginAttemptResponse:
        source, description, version, if_exists = convert.begin_from_proto(request)
        begun = await self._documents.begin(_tenant(), source, description, version, if_exists)
        return convert_reply.begun_to_proto(begun)

    async def UpdateAttempt(
        self, request: pb.UpdateAttemptRequest, _context: Context
    ) -> pb.UpdateAttemptResponse:
        news = convert.news_from_proto(request)
        unneeded = await self._documents.update(_tenant(), request.document_id, request.attempt_token, news)
        nothing_to_do = convert_reply.nothing_to_do_to_proto(unneeded) if unneeded else None
        return pb.UpdateAttemptResponse(nothing_to_do=nothing_to_do)

    async def WriteChunks(self, request: pb.WriteChunksRequest, _context: Context) -> pb.WriteChunksResponse:
        piece = piece_from_proto(request)
        written = await self._indexer.write(_tenant(), request.document_id, request.attempt_token, piece)
        response = pb.WriteChunksResponse(chunks_written=written)
        if request.HasField("commit"):
            version = convert.completion_from_proto(request.commit)
            committed = await self._documents.commit(
                _tenant(), request.document_id, request.attempt_token, version
            )
            response.committed.CopyFrom(convert_reply.committed_to_proto(committed))
        return response

    async def CommitAttempt(
        self, request: pb.CommitAttemptRequest, _context: Context
    ) -> pb.CommitAttemptResponse:
        version = convert.completion_from_proto(request)
        committed = await self._documents.commit(
            _tenant(), request.document_id, request.attempt_token, version
        )
        return convert_reply.committed_to_proto(committed)

    async def FailAttempt(self, request: pb.FailAttemptRequest, _context: Context) -> pb.FailAttemptResponse:
        error = convert.error_from_proto(request.error)
        record = await self._documents.fail(_tenant(), request.document_id, request.attempt_token, error)
        return pb.FailAttemptResponse(document=convert_reply.document_to_proto(record))

    async def GetDocument(self, request: pb.GetDocumentRequest, _context: Context) -> pb.GetDocumentResponse:
        record = await self._listing.get(_tenant(), request.document_id)
        return pb.GetDocumentResponse(document=convert_reply.document_to_proto(record))

    async def ListDocuments(
        self, request: pb.ListDocumentsRequest, _context: Context
    ) -> pb.ListDocumentsResponse:
        page = await self._listing.page(_tenant(), convert.page_request_from_proto(request))
        documents = [convert_reply.document_to_proto(record) for record in page.records]
        return pb.ListDocumentsResponse(documents=documents, next_page_token=page.next_token)

    async def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, _context: Context
    ) -> pb.DeleteDocumentResponse:
        deleted = await self._documents.delete(_tenant(), request.document_id)
        return pb.DeleteDocumentResponse(deleted_chunk_count=deleted)

    async def GetStats(self, _request: pb.GetStatsRequest, _context: Context) -> pb.GetStatsResponse:
        totals = await self._listing.totals(_tenant())
        return convert_reply.totals_to_proto(totals, self._reading.embedder, self._store)

    async def Search(self, request: pb.SearchRequest, _context: Context) -> pb.SearchResponse:
        question = convert.search_from_proto(request, self._score_threshold)
        found = await self._reading.search(_tenant(), question, current_call().deadline)
        passages = [convert_reply.passage_to_proto(passage) for passage in found.passages]
        return pb.SearchResponse(
            passages=passages, mode=MODE_VALUES[question.mode], rerank_skipped=found.rerank_skipped
        )

    async def GetPassage(self, request: pb.GetPassageRequest, _context: Context) -> pb.GetPassageResponse:
        passage = await self._reading.get(_tenant(), convert.passage_request_from_proto(request))
        return convert_reply.passage_text_to_proto(passage)

    async def LookupAnswer(
        self, request: pb.LookupAnswerRequest, _context: Context
    ) -> pb.LookupAnswerResponse:
        convert_answers.check_lookup(request)
        if self._answers is None:
            return pb.LookupAnswerResponse()
        looked_up = await self._answers.look_up(_tenant(), request.question, request.key)
        return convert_answers.looked_up_to_proto(looked_up)

    async def StoreAnswer(self, request: pb.StoreAnswerRequest, _context: Context) -> pb.StoreAnswerResponse:
        answer = convert_answers.answer_from_proto(request)
        stored = self._answers is not None and await self._answers.store(
            _tenant(), request.corpus_revision, request.key, answer
        )
        return pb.StoreAnswerResponse(stored=stored)

    async def GetStoreStatus(
        self, _request: pb.GetStoreStatusRequest, _context: Context
    ) -> pb.GetStoreStatusResponse:
        status = await self._changeover.status()
        return pb.GetStoreStatusResponse(reindex=reindex_to_proto(status) if status else None)


def _tenant() -> str:
    return current_call().identity.tenant
