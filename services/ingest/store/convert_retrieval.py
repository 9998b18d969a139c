"""Between this service's own types and the messages of RetrievalService."""

from __future__ import annotations

from docuquery.common.v1 import document_pb2, text_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval_pb
from libs.errors import DocuQueryError
from services.ingest.convert_enums import POLICY_VALUES, RESULTS, TYPE_VALUES
from services.ingest.model import Chunk, DocumentType
from services.ingest.pipeline import NothingToDo
from services.ingest.spool.parsed_file import Batch, ParsedSummary
from services.ingest.uploads.model import Attempt, Header, UploadResult


def begin_attempt_to_proto(
    header: Header, kind: DocumentType | None, size_bytes: int, version: str
) -> retrieval_pb.BeginAttemptRequest:
    """The announcement of a document to retrieval; None and "" for what is not known yet.

    The password stays here.
    """
    return retrieval_pb.BeginAttemptRequest(
        source=header.source,
        filename=header.filename,
        type=TYPE_VALUES[kind] if kind else document_pb2.DOCUMENT_TYPE_UNSPECIFIED,
        size_bytes=size_bytes,
        version=version,
        metadata=header.metadata,
        if_exists=POLICY_VALUES[header.if_exists],
    )


def begun_from_proto(response: retrieval_pb.BeginAttemptResponse) -> Attempt | NothingToDo:
    """Retrieval's answer to the announcement. Raises DocuQueryError INTERNAL when it says neither."""
    match response.WhichOneof("decision"):
        case "attempt_token":
            return Attempt(response.document_id, response.attempt_token)
        case "nothing_to_do":
            return NothingToDo(
                result_from_proto(response.nothing_to_do.result), response.nothing_to_do.document
            )
        case _:
            raise _unexpected_answer()


def identify_to_proto(
    attempt: Attempt, kind: DocumentType, size_bytes: int, version: str
) -> retrieval_pb.UpdateAttemptRequest:
    """What an announced document turned out to be."""
    return retrieval_pb.UpdateAttemptRequest(
        document_id=attempt.document_id,
        attempt_token=attempt.token,
        stage=document_pb2.INGEST_STAGE_PARSING,
        version=version,
        type=TYPE_VALUES[kind],
        size_bytes=size_bytes,
    )


def identified_from_proto(response: retrieval_pb.UpdateAttemptResponse) -> NothingToDo | None:
    """Retrieval's answer; None: go on."""
    if not response.HasField("nothing_to_do"):
        return None
    nothing = response.nothing_to_do
    return NothingToDo(result_from_proto(nothing.result), nothing.document)


def result_from_proto(result: document_pb2.UploadResult.ValueType) -> UploadResult:
    """What an upload did. Raises DocuQueryError INTERNAL for a value this program does not know."""
    known = RESULTS.get(result)
    if known is None:
        raise _unexpected_answer()
    return known


def _unexpected_answer() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_INTERNAL,
        "The retrieval service gave an answer that makes no sense. Report it with the request id.",
    )


def write_chunks_to_proto(
    attempt: Attempt, batch: Batch, summary: ParsedSummary
) -> retrieval_pb.WriteChunksRequest:
    """A batch of chunks."""
    return retrieval_pb.WriteChunksRequest(
        document_id=attempt.document_id,
        attempt_token=attempt.token,
        text=batch.text,
        text_span=text_pb2.TextSpan(
            char_start=batch.char_start,
            char_end=batch.char_start + len(batch.text),
            byte_start=batch.byte_start,
            byte_end=batch.byte_end,
        ),
        chunks=[_chunk_to_proto(chunk) for chunk in batch.chunks],
        title=summary.label,
        chunks_total=summary.chunk_count,
        language=summary.language,
    )


def commit_to_proto(summary: ParsedSummary) -> retrieval_pb.CommitAttemptRequest:
    """What the version consists of, to go with the last batch."""
    return retrieval_pb.CommitAttemptRequest(
        chunk_count=summary.chunk_count,
        page_count=summary.page_count,
        character_count=summary.character_count,
        title=summary.title,
        language=summary.language,
    )


def _chunk_to_proto(chunk: Chunk) -> retrieval_pb.Chunk:
    return retrieval_pb.Chunk(
        ordinal=chunk.ordinal,
        span=text_pb2.TextSpan(
            char_start=chunk.char_start,
            char_end=chunk.char_end,
            byte_start=chunk.byte_start,
            byte_end=chunk.byte_end,
        ),
        pages=text_pb2.PageRange(first=chunk.first_page, last=chunk.last_page) if chunk.first_page else None,
        page_starts=[
            text_pb2.PageStart(page=start.page, char_start=start.char_start) for start in chunk.page_starts
        ],
        headings=chunk.headings,
    )
