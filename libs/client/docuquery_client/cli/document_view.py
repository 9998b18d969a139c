"""A document for people."""

from __future__ import annotations

import json
from collections.abc import Iterator

from google.protobuf.json_format import MessageToJson
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from docuquery.common.v1.document_pb2 import (
    Document,
    DocumentStatus,
    DocumentType,
    IngestAttempt,
    IngestStage,
)
from docuquery.common.v1.error_reason_pb2 import ErrorReason
from docuquery_client.names import enum_name

_UNDER_WAY = (DocumentStatus.DOCUMENT_STATUS_PENDING, DocumentStatus.DOCUMENT_STATUS_PROCESSING)


def document_rows(document: Document) -> Iterator[tuple[str, str]]:
    """Name and value of everything a user may want to know, empty values left out."""
    rows = [
        ("id", document.document_id),
        ("source", document.source),
        ("file", document.filename),
        ("title", document.title),
        ("language", document.language),
        ("type", enum_name(DocumentType, document.type).lower()),
        ("status", enum_name(DocumentStatus, document.status).lower()),
        ("bytes", str(document.size_bytes)),
        ("pages", str(document.page_count or "")),
        ("chunks", str(document.chunk_count)),
        ("characters", str(document.character_count)),
        ("version", document.live_version),
        ("created", _time(document.create_time)),
        ("updated", _time(document.update_time)),
        ("metadata", _metadata(document.metadata) if document.metadata.fields else ""),
        ("latest attempt", _attempt(document)),
    ]
    return ((name, value) for name, value in rows if value)


def progress(document: Document) -> str:
    """How far an upload under way is, or why the latest one failed; empty for what is done.

    For example `indexing 120/480 chunks`, `receiving`, `NO_TEXT`; with `new version:` before it while an
    older one is searchable.
    """
    attempt = document.latest_attempt
    if attempt.status in _UNDER_WAY:
        text = _stage(attempt)
    elif attempt.status == DocumentStatus.DOCUMENT_STATUS_FAILED:
        text = enum_name(ErrorReason, attempt.error.reason)
    else:
        return ""
    return f"new version: {text}" if document.live_version else text


def _stage(attempt: IngestAttempt) -> str:
    stage = enum_name(IngestStage, attempt.stage).lower()
    if not attempt.chunks_total:
        return stage
    return f"{stage} {attempt.chunks_written}/{attempt.chunks_total} chunks"


def _attempt(document: Document) -> str:
    attempt = document.latest_attempt
    if not document.HasField("latest_attempt"):
        return ""
    text = enum_name(DocumentStatus, attempt.status).lower()
    if attempt.status in _UNDER_WAY:
        text += f": {_stage(attempt)}"
    if attempt.HasField("error"):
        text += f": {enum_name(ErrorReason, attempt.error.reason)}: {attempt.error.message}"
    return text


def _metadata(metadata: Struct) -> str:
    """As it was given: a Struct knows floats alone, and JSON would escape what is not ASCII."""
    values = json.loads(MessageToJson(metadata), parse_float=_number)
    return json.dumps(values, ensure_ascii=False)


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _time(timestamp: Timestamp) -> str:
    if not timestamp.seconds:
        return ""
    return timestamp.ToDatetime().isoformat(sep=" ", timespec="seconds") + " UTC"
