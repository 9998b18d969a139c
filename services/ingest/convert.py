"""Between the contract's messages and this service's own types; what a request must be to be accepted."""

from __future__ import annotations

import re

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from docuquery.common.v1 import document_pb2, text_pb2, upload_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval_pb
from libs.errors import DocuQueryError, Violations
from services.ingest.document import Chunk, DocumentType
from services.ingest.parsed_file import Batch, ParsedSummary
from services.ingest.pipeline import Attempt, NothingToDo
from services.ingest.upload import (
    DataPart,
    Done,
    Event,
    Failed,
    FooterPart,
    Header,
    HeaderPart,
    IfExists,
    Indexed,
    Parsed,
    Part,
    Progress,
    Received,
    RefusedPart,
    UploadResult,
)

MAX_UPLOAD_ID = 128
MAX_FILENAME = 255
MAX_SOURCE = 1024
MAX_PASSWORD = 1024
MAX_METADATA_BYTES = 16 * 1024
MAX_DATA_BYTES = 1024 * 1024

_TYPES = {
    document_pb2.DOCUMENT_TYPE_PDF: DocumentType.PDF,
    document_pb2.DOCUMENT_TYPE_MARKDOWN: DocumentType.MARKDOWN,
    document_pb2.DOCUMENT_TYPE_HTML: DocumentType.HTML,
    document_pb2.DOCUMENT_TYPE_TEXT: DocumentType.TEXT,
}
_TYPE_VALUES = {kind: value for value, kind in _TYPES.items()}

_POLICIES = {
    document_pb2.IF_EXISTS_POLICY_UNSPECIFIED: IfExists.REPLACE,
    document_pb2.IF_EXISTS_POLICY_REPLACE: IfExists.REPLACE,
    document_pb2.IF_EXISTS_POLICY_FAIL: IfExists.FAIL,
    document_pb2.IF_EXISTS_POLICY_SKIP: IfExists.SKIP,
}
_POLICY_VALUES = {
    IfExists.REPLACE: document_pb2.IF_EXISTS_POLICY_REPLACE,
    IfExists.FAIL: document_pb2.IF_EXISTS_POLICY_FAIL,
    IfExists.SKIP: document_pb2.IF_EXISTS_POLICY_SKIP,
}

_RESULTS = {
    document_pb2.UPLOAD_RESULT_CREATED: UploadResult.CREATED,
    document_pb2.UPLOAD_RESULT_REPLACED: UploadResult.REPLACED,
    document_pb2.UPLOAD_RESULT_UNCHANGED: UploadResult.UNCHANGED,
    document_pb2.UPLOAD_RESULT_SKIPPED: UploadResult.SKIPPED,
}
_RESULT_VALUES = {result: value for value, result in _RESULTS.items()}

_FOLDERS = re.compile(r".*[/\\]", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def part_from_proto(request: ingest_pb.IngestDocumentsRequest) -> Part:
    """A message of the stream. One that breaks a rule becomes a `RefusedPart`: only its document fails."""
    upload_id = request.upload_id[:MAX_UPLOAD_ID]
    try:
        violations = Violations()
        violations.require(
            1 <= len(request.upload_id) <= MAX_UPLOAD_ID,
            "upload_id",
            f"must have 1 to {MAX_UPLOAD_ID} characters",
        )
        violations.raise_if_any()
        match request.WhichOneof("part"):
            case "header":
                return HeaderPart(upload_id, header_from_proto(request.header))
            case "data":
                return DataPart(upload_id, _checked_data(request.data))
            case "footer":
                return FooterPart(upload_id, request.footer.sha256)
            case _:
                raise DocuQueryError(
                    reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION,
                    "The stream carried a message without header, data or footer. Send one of them in each.",
                )
    except DocuQueryError as error:
        return RefusedPart(upload_id, error)


def _checked_data(data: bytes) -> bytes:
    if len(data) > MAX_DATA_BYTES:
        raise DocuQueryError(
            reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION,
            f"A data message carries at most {MAX_DATA_BYTES} bytes. Send the document in smaller pieces.",
        )
    return data


def header_from_proto(header: upload_pb2.UploadHeader) -> Header:
    """A valid header, defaults filled in. Raises DocuQueryError INVALID_REQUEST with every fault."""
    filename = _FOLDERS.sub("", header.filename).strip()
    source = header.source or filename
    violations = Violations()
    violations.require(bool(filename), "header.filename", "must name the file")
    violations.require(
        len(filename) <= MAX_FILENAME, "header.filename", f"must have at most {MAX_FILENAME} characters"
    )
    violations.require(
        _CONTROL.search(filename) is None, "header.filename", "must not hold control characters"
    )
    violations.require(
        len(source) <= MAX_SOURCE, "header.source", f"must have at most {MAX_SOURCE} characters"
    )
    violations.require(
        header.type in _TYPES or header.type == document_pb2.DOCUMENT_TYPE_UNSPECIFIED,
        "header.type",
        "is no type this server knows",
    )
    violations.require(header.if_exists in _POLICIES, "header.if_exists", "is no policy this server knows")
    violations.require(header.size_bytes >= 0, "header.size_bytes", "must not be negative")
    violations.require(
        len(header.password) <= MAX_PASSWORD,
        "header.password",
        f"must have at most {MAX_PASSWORD} characters",
    )
    _check_metadata(header.metadata, violations)
    violations.raise_if_any()
    return Header(
        filename=filename,
        source=source,
        declared_type=_TYPES.get(header.type),
        if_exists=_POLICIES[header.if_exists],
        metadata=header.metadata,
        size_bytes=header.size_bytes,
        password=header.password,
    )


def _check_metadata(metadata: Struct, violations: Violations) -> None:
    try:
        size = len(json_format.MessageToJson(metadata, indent=None, ensure_ascii=False).encode())
    except (json_format.SerializeToJsonError, ValueError):
        violations.add("header.metadata", "must be JSON: no NaN and no infinity")
        return
    violations.require(
        size <= MAX_METADATA_BYTES,
        "header.metadata",
        f"must have at most {MAX_METADATA_BYTES} bytes as JSON",
    )


def progress_to_proto(progress: Progress) -> ingest_pb.IngestDocumentsResponse:
    """An acknowledgement."""
    return ingest_pb.IngestDocumentsResponse(
        upload_id=progress.upload_id,
        document_id=progress.document_id,
        progress=_event_to_proto(progress.event),
    )


def _event_to_proto(event: Event) -> upload_pb2.UploadProgress:
    match event:
        case Received(size_bytes=size_bytes):
            return upload_pb2.UploadProgress(received=upload_pb2.UploadReceived(size_bytes=size_bytes))
        case Parsed(type=kind, page_count=page_count, chunk_count=chunk_count):
            return upload_pb2.UploadProgress(
                parsed=upload_pb2.UploadParsed(
                    type=_TYPE_VALUES[kind], page_count=page_count, chunk_count=chunk_count
                )
            )
        case Indexed(chunks_written=written, chunks_total=total):
            return upload_pb2.UploadProgress(
                indexed=upload_pb2.UploadIndexed(chunks_written=written, chunks_total=total)
            )
        case Done(result=result, document=document):
            return upload_pb2.UploadProgress(
                done=upload_pb2.UploadDone(result=_RESULT_VALUES[result], document=document)
            )
        case Failed(error=error):
            return upload_pb2.UploadProgress(failed=error_to_proto(error))


def error_to_proto(error: DocuQueryError) -> document_pb2.DocumentError:
    """Why a document failed."""
    return document_pb2.DocumentError(reason=error.reason, message=error.message, retryable=error.retryable)


def begin_attempt_to_proto(
    header: Header, kind: DocumentType, size_bytes: int, version: str
) -> retrieval_pb.BeginAttemptRequest:
    """The announcement of a document to retrieval. The password stays here."""
    return retrieval_pb.BeginAttemptRequest(
        source=header.source,
        filename=header.filename,
        type=_TYPE_VALUES[kind],
        size_bytes=size_bytes,
        version=version,
        metadata=header.metadata,
        if_exists=_POLICY_VALUES[header.if_exists],
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


def result_from_proto(result: document_pb2.UploadResult.ValueType) -> UploadResult:
    """What an upload did. Raises DocuQueryError INTERNAL for a value this program does not know."""
    known = _RESULTS.get(result)
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
        title=summary.title,
        chunks_total=summary.chunk_count,
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
