"""Between the public contract, our own words, and the contracts of the services behind. All pure."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.common.v1.answer_pb2 import Degradation, ProviderAttempt
from docuquery.common.v1.passage_pb2 import Passage, SearchMode
from docuquery.common.v1.upload_pb2 import UploadHeader
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.ingest.v1.ingest_service_pb2 import IngestDocumentsRequest, IngestDocumentsResponse
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from libs.hygiene import clean_question
from services.gateway.fallback.candidates import Candidate
from services.gateway.model import (
    Attempt,
    CitationFound,
    Completed,
    Degraded,
    Finished,
    GenerationEvent,
    QueryEvent,
    QueryResult,
    Question,
    Retrieved,
    Started,
    TextDelta,
)

DEFAULT_SEARCH_LIMIT = 10
DEFAULT_CONTEXT_CHARACTERS = 300


def _mode(mode: SearchMode.ValueType) -> SearchMode.ValueType:
    return mode or SearchMode.SEARCH_MODE_HYBRID


# --- questions ---


def question_from_proto(request: pb.QueryRequest, default_top_k: int) -> Question:
    """A valid QueryRequest as a question."""
    return Question(
        text=clean_question(request.question),
        top_k=request.top_k if request.HasField("top_k") else default_top_k,
        mode=_mode(request.mode),
        conversation_id=request.conversation_id,
        include_sources=request.include_sources if request.HasField("include_sources") else True,
        filter=request.filter if request.HasField("filter") else None,
        score_threshold=request.score_threshold if request.HasField("score_threshold") else None,
        prompt_version=request.prompt_version,
        provider=request.provider,
        rerank=request.rerank if request.HasField("rerank") else None,
        max_per_document=request.max_per_document,
        expand_chunks=request.expand_chunks if request.HasField("expand_chunks") else None,
        no_cache=request.no_cache,
    )


def search_request(question: Question, standalone: str) -> retrieval.SearchRequest:
    """The search a question needs; `standalone` is what is searched for."""
    return retrieval.SearchRequest(
        query=standalone,
        limit=question.top_k,
        mode=question.mode,
        filter=question.filter,
        score_threshold=question.score_threshold,
        rerank=question.rerank,
        max_per_document=question.max_per_document,
        expand_chunks=question.expand_chunks or 0,
    )


def generate_request(
    question: Question,
    query_id: str,
    standalone: str,
    passages: Sequence[Passage],
    provider: str,
    *,
    stream_text: bool,
) -> answer.GenerateRequest:
    """One attempt's request; it differs between attempts in nothing but `provider`."""
    return answer.GenerateRequest(
        query_id=query_id,
        question=question.text,
        standalone_question="" if standalone == question.text else standalone,
        passages=passages,
        provider=provider,
        prompt_version=question.prompt_version,
        conversation_id=question.conversation_id,
        stream_text=stream_text,
    )


def generation_event_from_proto(response: answer.GenerateResponse) -> GenerationEvent | None:
    """An event of the answer service; None for one this program does not know."""
    kind = response.WhichOneof("event")
    if kind == "text_delta":
        return TextDelta(response.text_delta)
    if kind == "citation":
        return CitationFound(response.citation)
    if kind == "started":
        return Started(response.started.provider, response.started.model)
    if kind == "completed":
        return Completed(response.completed)
    return None


def candidate_from_proto(provider: answer.Provider) -> Candidate:
    """A provider of the answer service."""
    return Candidate(
        provider.name,
        provider.adapter,
        provider.model,
        provider.context_window_tokens,
        provider.configuration,
    )


def degradation_to_proto(degraded: Degraded) -> Degradation:
    """What was done less well than configured."""
    return Degradation(kind=degraded.kind, detail=degraded.detail)


def attempt_to_proto(attempt: Attempt) -> ProviderAttempt:
    """One provider attempt."""
    return ProviderAttempt(
        provider=attempt.provider,
        model=attempt.model,
        error_reason=attempt.error_reason,
        latency_ms=attempt.latency_ms,
        first_token_ms=attempt.first_text_ms,
    )


def result_to_proto(result: QueryResult) -> pb.QueryResult:
    """The whole answer. What the gateway found out stands before what the answer service did."""
    generation, hit, time = result.generation, result.cache_hit, Timestamp()
    time.FromDatetime(result.time)
    return pb.QueryResult(
        query_id=result.query_id,
        question=result.question.text,
        standalone_question=result.standalone_question,
        answer=generation.answer,
        sources=result.sources,
        citations=generation.citations,
        rejected_citations=generation.rejected_citations,
        sentences=generation.sentences,
        groundedness=generation.groundedness,
        confidence=generation.confidence,
        outcome=generation.outcome,
        degradations=[*map(degradation_to_proto, result.degradations), *generation.degradations],
        latency=pb.Latency(
            total_ms=result.total_ms,
            retrieval_ms=result.retrieval_ms,
            generation_ms=result.generation_ms,
            first_token_ms=result.first_text_ms,
        ),
        usage=generation.usage,
        provider=generation.provider,
        model=generation.model,
        prompt_version=generation.prompt_version,
        prompt_sha256=generation.prompt_sha256,
        attempts=map(attempt_to_proto, result.attempts),
        time=time,
        finish_reason=generation.finish_reason,
        conversation_id=result.question.conversation_id,
        cache_hit=pb.CacheHit(question=hit.question, similarity=hit.similarity, age_seconds=hit.age_seconds)
        if hit
        else None,
    )


def event_to_proto(event: QueryEvent) -> pb.StreamQueryResponse:
    """One event of a streamed answer."""
    match event:
        case TextDelta(text):
            return pb.StreamQueryResponse(text_delta=text)
        case CitationFound(citation):
            return pb.StreamQueryResponse(citation=citation)
        case Started(provider, model):
            return pb.StreamQueryResponse(started=pb.StartedEvent(provider=provider, model=model))
        case Retrieved(query_id, sources):
            return pb.StreamQueryResponse(retrieved=pb.RetrievedEvent(query_id=query_id, sources=sources))
        case Finished(result):
            return pb.StreamQueryResponse(completed=result_to_proto(result))


# --- uploads ---


def ingest_request(message: pb.UploadDocumentsRequest) -> IngestDocumentsRequest:
    """A message of a caller's upload stream, for ingest."""
    part = message.WhichOneof("part")
    if part == "data":
        return IngestDocumentsRequest(upload_id=message.upload_id, data=message.data)
    if part == "header":
        return IngestDocumentsRequest(upload_id=message.upload_id, header=message.header)
    if part == "footer":
        return IngestDocumentsRequest(upload_id=message.upload_id, footer=message.footer)
    return IngestDocumentsRequest(upload_id=message.upload_id)


def upload_response(response: IngestDocumentsResponse) -> pb.UploadDocumentsResponse:
    """An acknowledgement of ingest, for the caller."""
    return pb.UploadDocumentsResponse(
        upload_id=response.upload_id, document_id=response.document_id, progress=response.progress
    )


def upload_header(request: pb.UploadDocumentRequest) -> UploadHeader:
    """The header of a document that came in one message."""
    return UploadHeader(
        filename=request.filename.strip(),
        type=request.type,
        source=request.source,
        metadata=request.metadata if request.HasField("metadata") else None,
        if_exists=request.if_exists,
        size_bytes=len(request.content),
        password=request.password,
        language=request.language,
    )


# --- documents and searches ---


def plain_search_request(request: pb.SearchRequest) -> retrieval.SearchRequest:
    """A valid SearchRequest, for retrieval."""
    return retrieval.SearchRequest(
        query=clean_question(request.query),
        limit=request.limit if request.HasField("limit") else DEFAULT_SEARCH_LIMIT,
        mode=_mode(request.mode),
        filter=request.filter if request.HasField("filter") else None,
        score_threshold=request.score_threshold if request.HasField("score_threshold") else None,
        rerank=request.rerank if request.HasField("rerank") else None,
        max_per_document=request.max_per_document,
        expand_chunks=request.expand_chunks,
    )


def list_request(request: pb.ListDocumentsRequest) -> retrieval.ListDocumentsRequest:
    """A valid ListDocumentsRequest, for retrieval."""
    return retrieval.ListDocumentsRequest(
        page_size=request.page_size,
        page_token=request.page_token,
        statuses=request.statuses,
        types=request.types,
        filter=request.filter if request.HasField("filter") else None,
    )


def stats_response(stats: retrieval.GetStatsResponse) -> pb.GetStatsResponse:
    """Retrieval's counts, for the caller."""
    return pb.GetStatsResponse(
        indexed_document_count=stats.indexed_document_count,
        processing_document_count=stats.processing_document_count,
        failed_document_count=stats.failed_document_count,
        chunk_count=stats.chunk_count,
        character_count=stats.character_count,
        size_bytes=stats.size_bytes,
        embedder=stats.embedder,
        store=stats.store,
    )


def passage_request(request: pb.GetPassageRequest) -> retrieval.GetPassageRequest:
    """A valid GetPassageRequest, for retrieval."""
    asked = request.context_characters
    return retrieval.GetPassageRequest(
        document_id=request.document_id.lower(),
        version=request.version,
        char_start=request.char_start,
        char_end=request.char_end,
        context_characters=asked if request.HasField("context_characters") else DEFAULT_CONTEXT_CHARACTERS,
    )


def passage_response(passage: retrieval.GetPassageResponse) -> pb.GetPassageResponse:
    """Retrieval's passage, for the caller."""
    return pb.GetPassageResponse(
        document=passage.document if passage.HasField("document") else None,
        text=passage.text,
        before=passage.before,
        after=passage.after,
        span=passage.span if passage.HasField("span") else None,
        pages=passage.pages if passage.HasField("pages") else None,
        headings=passage.headings,
    )
