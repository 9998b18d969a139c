"""What becomes of documents is on record, whatever became of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from docuquery.common.v1 import document_pb2
from tests.rpc.ingest_support import Document, Ingest, failed_because, failure, running


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(tmp_path, workers=1, max_document_bytes=10_000) as service:
        yield service


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (Document("a.png", b"\x89PNG\r\n\x1a\n" + b"x" * 50), "UNSUPPORTED_DOCUMENT_TYPE"),
        (Document("big.txt", b"x" * 20_000), "DOCUMENT_TOO_LARGE"),
        (Document("empty.txt", b""), "EMPTY_DOCUMENT"),
    ],
)
async def test_a_refused_document_is_on_record(ingest: Ingest, document: Document, reason: str) -> None:
    """FAILED with the reason the caller hears, and the caller is told the document's id."""
    events = (await ingest.upload(document))[document.id]
    assert failed_because(events) == reason
    assert ingest.retrieval.record(document.filename).error == failure(events)


async def test_numbers_behind_a_refusal_reach_the_caller(ingest: Ingest) -> None:
    events = (await ingest.upload(Document("big.txt", b"x" * 20_000)))["big.txt"]
    assert failure(events).metadata["limit_bytes"] == "10000"


async def test_a_wrong_ending_is_told_and_refuses_nothing(ingest: Ingest) -> None:
    events = await ingest.upload(
        Document("page.pdf", b"<!DOCTYPE html><html><body><p>Welcome to all.</p></body></html>"),
        Document("note.txt", b"Welcome to all."),
    )
    assert events["page.pdf"][-1].done.promised_type == document_pb2.DOCUMENT_TYPE_PDF
    assert events["note.txt"][-1].done.promised_type == document_pb2.DOCUMENT_TYPE_UNSPECIFIED
    assert ingest.retrieval.live_text("page.pdf") == "Welcome to all."
