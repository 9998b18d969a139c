"""A document's record as a point on a Qdrant server: fields to look for, and the whole as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping

from qdrant_client import grpc as q

from services.retrieval.model import DocumentRecord, Status
from services.retrieval.store.payloads import (
    Payload,
    record_from_payload,
    record_to_payload,
    to_microseconds,
)
from services.retrieval.store.server.connection.points import KIND_RECORD
from services.retrieval.store.server.documents.index import RecordIndex

KIND_REMOVED = "removed"
"""What is left of a record for the moment between its removal and its point's."""

TOTAL_FIELDS = ("live_attempt", "is_open", "is_failed", "lease_end", "chunks", "characters", "size_bytes")
"""What counting needs."""


def record_payload(tenant: str, record: DocumentRecord, token: str, index: RecordIndex) -> Payload:
    """`token` names the write, so that its writer can tell whether it won."""
    live = record.live
    payload: Payload = {
        "tenant": tenant,
        "kind": KIND_RECORD,
        "revision": record.revision,
        "token": token,
        "create_time": to_microseconds(record.create_time),
        "is_open": int(record.attempt.is_open),
        "is_failed": int(record.attempt.status is Status.FAILED),
        "lease_end": to_microseconds(record.attempt.lease_end),
        **index.payload(record),
        "record": json.dumps(record_to_payload(record), ensure_ascii=False, separators=(",", ":")),
    }
    if record.attempt.is_open:
        payload["open_attempt"] = record.attempt.attempt_id
    if live is not None:
        payload |= {
            "live_attempt": live.attempt_id,
            "chunks": live.chunk_count,
            "characters": live.character_count,
            "size_bytes": live.description.size_bytes,
        }
        if live.language:
            payload["language"] = live.language
    return payload


def removed_payload(tenant: str, revision: int, token: str) -> Payload:
    """The mark that takes a record's place, before the point goes."""
    return {"tenant": tenant, "kind": KIND_REMOVED, "revision": revision, "token": token}


def record_from_point(point: q.RetrievedPoint) -> DocumentRecord:
    """The record `record_payload` was given."""
    return record_from_payload(json.loads(point.payload["record"].string_value))


def text_of(payload: Mapping[str, q.Value], key: str) -> str:
    """A text field; empty when it is not there."""
    return payload[key].string_value if key in payload else ""


def integer_of(payload: Mapping[str, q.Value], key: str) -> int:
    """An integer field; 0 when it is not there."""
    return payload[key].integer_value if key in payload else 0
