"""A document for people."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from docuquery.common.v1.document_pb2 import (
    Document,
    DocumentError,
    DocumentStatus,
    DocumentType,
    IngestAttempt,
    IngestStage,
)
from docuquery.common.v1.error_reason_pb2 import ErrorReason
from docuquery_client.cli.document_view import document_rows, progress


def test_what_is_known_is_shown_and_what_is_not_is_left_out() -> None:
    document = Document(
        document_id="d-1",
        source="a.pdf",
        filename="a.pdf",
        type=DocumentType.DOCUMENT_TYPE_PDF,
        status=DocumentStatus.DOCUMENT_STATUS_INDEXED,
        page_count=3,
        language="de",
        create_time=Timestamp(seconds=1_700_000_000),
    )
    document.metadata.update({"größe": "½", "year": 2024, "share": 0.5})
    shown = dict(document_rows(document))
    metadata = shown.pop("metadata")
    assert sorted(metadata.strip("{}").split(", ")) == ['"größe": "½"', '"share": 0.5', '"year": 2024']
    assert shown == {
        "id": "d-1", "source": "a.pdf", "file": "a.pdf", "type": "pdf", "status": "indexed", "bytes": "0",
        "language": "de", "pages": "3", "chunks": "0", "characters": "0",
        "created": "2023-11-14 22:13:20 UTC",
    }  # fmt: skip


def test_an_attempt_under_way_shows_its_stage_and_a_failed_one_its_reason() -> None:
    under_way = IngestAttempt(
        status=DocumentStatus.DOCUMENT_STATUS_PROCESSING,
        stage=IngestStage.INGEST_STAGE_INDEXING,
        chunks_written=5,
        chunks_total=9,
    )
    failed = IngestAttempt(
        status=DocumentStatus.DOCUMENT_STATUS_FAILED,
        error=DocumentError(reason=ErrorReason.ERROR_REASON_NO_TEXT, message="It is a scan."),
    )
    shown = [
        dict(document_rows(Document(latest_attempt=attempt)))["latest attempt"]
        for attempt in (under_way, failed)
    ]
    assert shown == ["processing: indexing 5/9 chunks", "failed: NO_TEXT: It is a scan."]


def test_a_listing_says_how_far_an_upload_is() -> None:
    receiving = IngestAttempt(
        status=DocumentStatus.DOCUMENT_STATUS_PENDING, stage=IngestStage.INGEST_STAGE_RECEIVING
    )
    indexing = IngestAttempt(
        status=DocumentStatus.DOCUMENT_STATUS_PROCESSING,
        stage=IngestStage.INGEST_STAGE_INDEXING,
        chunks_written=120,
        chunks_total=480,
    )
    failed = IngestAttempt(
        status=DocumentStatus.DOCUMENT_STATUS_FAILED,
        error=DocumentError(reason=ErrorReason.ERROR_REASON_NO_TEXT),
    )
    done = IngestAttempt(
        status=DocumentStatus.DOCUMENT_STATUS_INDEXED, stage=IngestStage.INGEST_STAGE_DONE, chunks_total=480
    )
    assert [
        progress(Document(latest_attempt=attempt)) for attempt in (receiving, indexing, failed, done)
    ] == [
        "receiving",
        "indexing 120/480 chunks",
        "NO_TEXT",
        "",
    ]
    assert progress(Document(live_version="v1", latest_attempt=indexing)) == (
        "new version: indexing 120/480 chunks"
    )
    assert progress(Document()) == ""
