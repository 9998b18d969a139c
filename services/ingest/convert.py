"""Between the messages of IngestService and this service's own types; what makes a request acceptable."""

from __future__ import annotations

import re

from google.protobuf.struct_pb2 import Struct

from docuquery.common.v1 import document_pb2, upload_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from libs.errors import DocuQueryError, Violations
from libs.json_size import fits_as_json
from libs.languages import EXAMPLES, language_code
from services.ingest.convert_enums import POLICIES, RESULT_VALUES, TYPE_VALUES, TYPES
from services.ingest.detection.detect import unsupported
from services.ingest.uploads.model import (
    DataPart,
    Done,
    Event,
    Failed,
    FooterPart,
    Header,
    HeaderPart,
    Indexed,
    Parsed,
    Part,
    Progress,
    Received,
    RefusedPart,
)

MAX_UPLOAD_ID = 128
MAX_FILENAME = 255
MAX_SOURCE = 1024
MAX_PASSWORD = 1024
MAX_METADATA_BYTES = 16 * 1024
MAX_DATA_BYTES = 1024 * 1024

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
    """A valid header, defaults filled in.

    Raises DocuQueryError: INVALID_REQUEST with every fault; UNSUPPORTED_DOCUMENT_TYPE for a type the contract
    knows and no parser reads.
    """
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
        header.type in document_pb2.DocumentType.values(),
        "header.type",
        "is no type this server knows",
    )
    violations.require(header.if_exists in POLICIES, "header.if_exists", "is no policy this server knows")
    violations.require(header.size_bytes >= 0, "header.size_bytes", "must not be negative")
    violations.require(
        len(header.password) <= MAX_PASSWORD,
        "header.password",
        f"must have at most {MAX_PASSWORD} characters",
    )
    language = language_code(header.language) if header.language else ""
    violations.require(language is not None, "header.language", f"must be {EXAMPLES}")
    _check_metadata(header.metadata, violations)
    violations.raise_if_any()
    if header.type not in TYPES and header.type != document_pb2.DOCUMENT_TYPE_UNSPECIFIED:
        raise unsupported(document_pb2.DocumentType.Name(header.type).removeprefix("DOCUMENT_TYPE_").lower())
    return Header(
        filename=filename,
        source=source,
        declared_type=TYPES.get(header.type),
        if_exists=POLICIES[header.if_exists],
        metadata=header.metadata if header.HasField("metadata") else None,
        size_bytes=header.size_bytes,
        password=header.password,
        language=language or "",
    )


def _check_metadata(metadata: Struct, violations: Violations) -> None:
    try:
        fits = fits_as_json(metadata, MAX_METADATA_BYTES)
    except ValueError:
        violations.add("header.metadata", "must be JSON: no NaN and no infinity")
        return
    violations.require(
        fits,
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
                    type=TYPE_VALUES[kind], page_count=page_count, chunk_count=chunk_count
                )
            )
        case Indexed(chunks_written=written, chunks_total=total):
            return upload_pb2.UploadProgress(
                indexed=upload_pb2.UploadIndexed(chunks_written=written, chunks_total=total)
            )
        case Done(result=result, document=document, promised_type=promised):
            done = upload_pb2.UploadDone(result=RESULT_VALUES[result], document=document)
            if promised is not None:
                done.promised_type = TYPE_VALUES[promised]
            return upload_pb2.UploadProgress(done=done)
        case Failed(error=error):
            return upload_pb2.UploadProgress(failed=error_to_proto(error))


def error_to_proto(error: DocuQueryError) -> document_pb2.DocumentError:
    """Why a document failed."""
    return document_pb2.DocumentError(
        reason=error.reason, message=error.message, retryable=error.retryable, metadata=error.metadata
    )
