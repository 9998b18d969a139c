"""What an upload of a source that has a live version comes to, when nothing is to be stored for it."""

from __future__ import annotations

import json
from dataclasses import replace

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.model import Description, DocumentRecord, IfExists, UploadResult


def unneeded(record: DocumentRecord, version: str, if_exists: IfExists) -> UploadResult | None:
    """Why an attempt on this record is not needed, or None. Raises DOCUMENT_ALREADY_EXISTS."""
    if record.live is None:
        return None
    if if_exists is IfExists.FAIL:
        raise DocuQueryError(
            reasons.ERROR_REASON_DOCUMENT_ALREADY_EXISTS,
            "A document with this source exists. Choose another source, or allow replacing it.",
            metadata={"document_id": record.document_id},
        )
    if if_exists is IfExists.SKIP:
        return UploadResult.SKIPPED
    return UploadResult.UNCHANGED if version == record.live.version else None


def redescribed(record: DocumentRecord, description: Description) -> DocumentRecord:
    """The record with what `description` says of the live version; the very same when that is no news."""
    live = record.live
    if live is None:
        return record
    known = live.description
    told = replace(description.over(known), type=known.type, size_bytes=known.size_bytes)
    # As JSON: to Python true is 1.
    if told.filename == known.filename and _as_json(told) == _as_json(known):
        return record
    return replace(record, live=replace(live, description=told))


def _as_json(description: Description) -> str:
    return json.dumps(description.metadata, sort_keys=True)
