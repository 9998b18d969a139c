"""Attempts whose ingest went silent: shown as failed once their lease has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from docuquery.common.v1 import error_reason_pb2 as reasons
from services.retrieval.model import DocumentError, DocumentRecord, Stage, Status

ABANDONED = DocumentError(
    reason=reasons.ERROR_REASON_UPLOAD_INCOMPLETE,
    message="The ingest stopped before it had finished. Upload the document again.",
    retryable=True,
)


def is_abandoned(record: DocumentRecord, now: datetime) -> bool:
    """Whether the record's attempt is open although its lease has ended."""
    return record.attempt.is_open and record.attempt.lease_end <= now


def as_of(record: DocumentRecord, now: datetime) -> DocumentRecord:
    """The record as a reader should see it at `now`: an abandoned attempt counts as FAILED."""
    if not is_abandoned(record, now):
        return record
    attempt = record.attempt
    failed = replace(
        attempt,
        status=Status.FAILED,
        error=ABANDONED,
        update_time=max(attempt.update_time, attempt.lease_end),
    )
    return replace(record, attempt=failed)


def stage_status(stage: Stage) -> Status:
    """The status of an open attempt in `stage`."""
    return Status.PENDING if stage is Stage.RECEIVING else Status.PROCESSING
