"""Records, chunks and text blocks as JSON-like payloads, and back: the same for every engine.

Times are whole microseconds since 1970 (exact, and sortable by an engine). Missing things are left out.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from libs.errors import reason_from_name, reason_name
from services.retrieval.model import (
    Attempt,
    Chunk,
    ChunkKey,
    Description,
    DocumentError,
    DocumentRecord,
    DocumentType,
    LiveVersion,
    PageRange,
    PageStart,
    Span,
    Stage,
    Status,
)
from services.retrieval.store.protocol import TextBlock
from services.retrieval.store.questions import EmbeddedChunk

Payload: TypeAlias = dict[str, Any]

LACKS = "lacks"
"""The field of a stored chunk that names what it has not got yet; not there when it has everything."""
LACKABLE = ("dense", "terms")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds from 1970 to `moment` (aware)."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware UTC time `value` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=value)


def _description_to(description: Description) -> Payload:
    payload: Payload = {
        "filename": description.filename,
        "type": description.type,
        "size_bytes": description.size_bytes,
        "metadata": dict(description.metadata),
    }
    if description.keeps_metadata:
        payload["keeps_metadata"] = True
    return payload


def _description_from(payload: Payload) -> Description:
    return Description(
        filename=payload["filename"],
        type=DocumentType(payload["type"]) if payload["type"] else None,
        size_bytes=payload["size_bytes"],
        metadata=payload["metadata"],
        keeps_metadata=payload.get("keeps_metadata", False),
    )


def _attempt_to(attempt: Attempt) -> Payload:
    error = attempt.error
    return {
        "attempt_id": attempt.attempt_id,
        "version": attempt.version,
        "status": attempt.status.value,
        "stage": attempt.stage.value,
        "description": _description_to(attempt.description),
        "start_time": to_microseconds(attempt.start_time),
        "update_time": to_microseconds(attempt.update_time),
        "lease_end": to_microseconds(attempt.lease_end),
        "error": error
        and {
            "reason": reason_name(error.reason),
            "message": error.message,
            "retryable": error.retryable,
            "metadata": dict(error.metadata),
        },
        "chunks_written": attempt.chunks_written,
        "chunks_total": attempt.chunks_total,
    }


def _attempt_from(payload: Payload) -> Attempt:
    error = payload["error"]
    return Attempt(
        attempt_id=payload["attempt_id"],
        version=payload["version"],
        status=Status(payload["status"]),
        stage=Stage(payload["stage"]),
        description=_description_from(payload["description"]),
        start_time=from_microseconds(payload["start_time"]),
        update_time=from_microseconds(payload["update_time"]),
        lease_end=from_microseconds(payload["lease_end"]),
        error=DocumentError(
            reason_from_name(error["reason"]), error["message"], error["retryable"], error["metadata"]
        )
        if error
        else None,
        chunks_written=payload["chunks_written"],
        chunks_total=payload["chunks_total"],
    )


_LIVE_FIELDS = (
    "attempt_id",
    "version",
    "title",
    "chunk_count",
    "page_count",
    "character_count",
    "text_block_count",
    "replaced",
    "language",
)


def record_to_payload(record: DocumentRecord) -> Payload:
    """The whole record as one payload."""
    live = record.live
    return {
        "document_id": record.document_id,
        "source": record.source,
        "create_time": to_microseconds(record.create_time),
        "update_time": to_microseconds(record.update_time),
        "revision": record.revision,
        "attempt": _attempt_to(record.attempt),
        "live": live
        and {
            **{name: getattr(live, name) for name in _LIVE_FIELDS},
            "description": _description_to(live.description),
        },
    }


def record_from_payload(payload: Payload) -> DocumentRecord:
    """The record `record_to_payload` was given."""
    live = payload["live"]
    return DocumentRecord(
        document_id=payload["document_id"],
        source=payload["source"],
        create_time=from_microseconds(payload["create_time"]),
        update_time=from_microseconds(payload["update_time"]),
        revision=payload["revision"],
        attempt=_attempt_from(payload["attempt"]),
        live=LiveVersion(
            description=_description_from(live["description"]),
            **{name: live[name] for name in _LIVE_FIELDS if name in live},
        )
        if live
        else None,
    )


def chunk_to_payload(chunk: Chunk) -> Payload:
    """A chunk without its vectors: the fields that conditions look at, and the whole as JSON text.

    One text, since handing an engine a nested value field by field takes three times as long.
    """
    parts: Payload = {
        "ordinal": chunk.key.ordinal,
        "document_id": chunk.document_id,
        "text": chunk.text,
        "bytes": (chunk.span.byte_start, chunk.span.byte_end),
    }
    if chunk.pages:
        parts["pages"] = (chunk.pages.first, chunk.pages.last)
    if chunk.page_starts:
        parts["page_starts"] = [(start.page, start.char_start) for start in chunk.page_starts]
    if chunk.headings:
        parts["headings"] = chunk.headings
    if chunk.title:
        parts["title"] = chunk.title
    if chunk.language:
        parts["language"] = chunk.language
    return {
        "attempt_id": chunk.key.attempt_id,
        "char_start": chunk.span.char_start,
        "char_end": chunk.span.char_end,
        "chunk": json.dumps(parts, ensure_ascii=False, separators=(",", ":")),
    }


def chunk_from_payload(payload: Payload) -> Chunk:
    """The chunk `chunk_to_payload` was given."""
    parts = json.loads(payload["chunk"])
    return Chunk(
        key=ChunkKey(payload["attempt_id"], parts["ordinal"]),
        document_id=parts["document_id"],
        text=parts["text"],
        span=Span(payload["char_start"], payload["char_end"], *parts["bytes"]),
        pages=PageRange(*parts["pages"]) if "pages" in parts else None,
        page_starts=tuple(PageStart(*start) for start in parts.get("page_starts", ())),
        headings=tuple(parts.get("headings", ())),
        title=parts.get("title", ""),
        language=parts.get("language", ""),
    )


def lacks_of(item: EmbeddedChunk) -> Payload:
    """What to add to a chunk's payload when it has not got both vectors."""
    missing = [name for name, part in zip(LACKABLE, (item.dense, item.sparse), strict=True) if part is None]
    return {LACKS: missing} if missing else {}


def block_to_payload(attempt_id: str, block: TextBlock) -> Payload:
    """A text block of an attempt."""
    return {
        "attempt_id": attempt_id,
        "text": block.text,
        "char_start": block.span.char_start,
        "char_end": block.span.char_end,
        "bytes": [block.span.byte_start, block.span.byte_end],
    }


def block_from_payload(payload: Payload) -> TextBlock:
    """The block `block_to_payload` was given."""
    return TextBlock(Span(payload["char_start"], payload["char_end"], *payload["bytes"]), payload["text"])
