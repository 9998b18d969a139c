"""Domain objects to messages."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import struct_pb2

from docuquery.common.v1 import document_pb2, passage_pb2, text_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from services.retrieval.conversion.enums import RESULTS, STAGE_VALUES, STATUS_VALUES, TYPE_VALUES
from services.retrieval.documents import identifiers
from services.retrieval.documents.lifecycle import Begun, Committed, NothingToDo
from services.retrieval.model import (
    Attempt,
    DocumentRecord,
    DocumentType,
    Json,
    PageRange,
    PageStart,
    Span,
)
from services.retrieval.search.passages import PassageText
from services.retrieval.search.searcher import Passage
from services.retrieval.store.protocol import Totals


def document_to_proto(record: DocumentRecord) -> document_pb2.Document:
    """The document as callers see it."""
    live = record.live
    message = document_pb2.Document(
        document_id=record.document_id,
        source=record.source,
        filename=record.description.filename,
        type=_type_value(record.description.type),
        size_bytes=record.description.size_bytes,
        status=STATUS_VALUES[record.status],
        latest_attempt=_attempt_to_proto(record.attempt),
        metadata=_struct(record.description.metadata),
    )
    if live:
        message.live_version = live.version
        message.title = live.title
        message.language = live.language
        message.chunk_count = live.chunk_count
        message.page_count = live.page_count
        message.character_count = live.character_count
    message.create_time.FromDatetime(record.create_time)
    message.update_time.FromDatetime(record.update_time)
    return message


def _attempt_to_proto(attempt: Attempt) -> document_pb2.IngestAttempt:
    message = document_pb2.IngestAttempt(
        version=attempt.version,
        status=STATUS_VALUES[attempt.status],
        stage=STAGE_VALUES[attempt.stage],
        chunks_written=attempt.chunks_written,
        chunks_total=attempt.chunks_total,
    )
    if attempt.error:
        error = attempt.error
        message.error.CopyFrom(
            document_pb2.DocumentError(
                reason=error.reason,
                message=error.message,
                retryable=error.retryable,
                metadata=error.metadata,
            )
        )
    message.start_time.FromDatetime(attempt.start_time)
    message.update_time.FromDatetime(attempt.update_time)
    return message


def begun_to_proto(begun: Begun | NothingToDo) -> pb.BeginAttemptResponse:
    """What comes next."""
    if isinstance(begun, Begun):
        return pb.BeginAttemptResponse(document_id=begun.document_id, attempt_token=begun.token)
    return pb.BeginAttemptResponse(
        document_id=begun.record.document_id, nothing_to_do=nothing_to_do_to_proto(begun)
    )


def nothing_to_do_to_proto(unneeded: NothingToDo) -> pb.NothingToDo:
    """Why an attempt is not needed."""
    return pb.NothingToDo(result=RESULTS[unneeded.result], document=document_to_proto(unneeded.record))


def committed_to_proto(committed: Committed) -> pb.CommitAttemptResponse:
    """A version that went live."""
    return pb.CommitAttemptResponse(
        result=RESULTS[committed.result], document=document_to_proto(committed.record)
    )


def totals_to_proto(totals: Totals, embedder: str, store: str) -> pb.GetStatsResponse:
    """Counts."""
    return pb.GetStatsResponse(
        indexed_document_count=totals.indexed_documents,
        processing_document_count=totals.processing_documents,
        failed_document_count=totals.failed_documents,
        chunk_count=totals.chunks,
        character_count=totals.characters,
        size_bytes=totals.size_bytes,
        embedder=embedder,
        store=store,
    )


def passage_to_proto(passage: Passage) -> passage_pb2.Passage:
    """A chunk as found by a search."""
    chunk, record = passage.chunk, passage.record
    version = record.live.version if record.live else ""
    ordinal = chunk.key.ordinal
    return passage_pb2.Passage(
        document_id=record.document_id,
        filename=record.description.filename,
        source=record.source,
        version=version,
        chunk_id=identifiers.chunk_id(record.document_id, version, ordinal),
        ordinal=ordinal,
        text=chunk.text,
        span=_span_to_proto(chunk.span),
        pages=_pages_to_proto(chunk.pages),
        page_starts=[_page_start_to_proto(start) for start in chunk.page_starts],
        headings=chunk.headings,
        title=record.live.title if record.live else chunk.title,
        type=_type_value(record.description.type),
        metadata=_struct(record.description.metadata),
        score=passage.score,
        score_parts=passage_pb2.ScoreParts(
            dense=passage.dense, sparse=passage.sparse, fused=passage.fused, rerank=passage.rerank
        ),
    )


def passage_text_to_proto(passage: PassageText) -> pb.GetPassageResponse:
    """A span with its surroundings."""
    return pb.GetPassageResponse(
        document=document_to_proto(passage.record),
        text=passage.text,
        before=passage.before,
        after=passage.after,
        span=_span_to_proto(passage.span),
        pages=_pages_to_proto(passage.pages),
        headings=passage.headings,
    )


def _type_value(type_: DocumentType | None) -> document_pb2.DocumentType.ValueType:
    return TYPE_VALUES[type_] if type_ else document_pb2.DOCUMENT_TYPE_UNSPECIFIED


def _span_to_proto(span: Span) -> text_pb2.TextSpan:
    return text_pb2.TextSpan(
        char_start=span.char_start,
        char_end=span.char_end,
        byte_start=span.byte_start,
        byte_end=span.byte_end,
    )


def _pages_to_proto(pages: PageRange | None) -> text_pb2.PageRange | None:
    return text_pb2.PageRange(first=pages.first, last=pages.last) if pages else None


def _page_start_to_proto(start: PageStart) -> text_pb2.PageStart:
    return text_pb2.PageStart(page=start.page, char_start=start.char_start)


def _struct(metadata: Mapping[str, Json]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(metadata)
    return struct
