"""Which language a document is handed on in: named, the tenant's, told from its text, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from docuquery.common.v1 import document_pb2
from tests.rpc.ingest_support import TENANT, Document, Ingest, failure, running

GERMAN = (
    "Die Werkstatt hat werktags von sieben bis achtzehn Uhr geöffnet. Wer eine Maschine zum ersten Mal "
    "benutzt, lässt sich einweisen und trägt sich in die Liste ein."
).encode()
SHORT = b"Werkstatt"


def language_of(ingest: Ingest, source: str, tenant: str = TENANT) -> str:
    committed = ingest.retrieval.record(source, tenant).committed
    assert committed is not None
    return committed.language


@pytest.mark.parametrize(
    ("content", "named", "expected"),
    [
        (GERMAN, "", "de"),
        (GERMAN, "nl-BE", "nl"),
        (SHORT, "", ""),
        (SHORT, "German", "de"),
        (GERMAN * 900, "", "de"),
    ],
    ids=["told", "named", "too short", "short and named", "in many pieces"],
)
async def test_the_text_tells_unless_the_uploader_does(
    tmp_path: Path, content: bytes, named: str, expected: str
) -> None:
    async with running(tmp_path) as ingest:
        await ingest.upload(Document("a.txt", content, language=named))
        assert language_of(ingest, "a.txt") == expected


async def test_a_tenant_may_have_a_language_of_its_own(tmp_path: Path) -> None:
    async with running(
        tmp_path, document_language="french", tenant_languages="globex=auto,initech=it"
    ) as ingest:
        for tenant, expected in ((TENANT, "fr"), ("globex", "de"), ("initech", "it")):
            await ingest.upload(Document("a.txt", GERMAN), tenant=tenant)
            assert language_of(ingest, "a.txt", tenant) == expected
        await ingest.upload(Document("b.txt", GERMAN, language="en"))
        assert language_of(ingest, "b.txt") == "en"


async def test_naming_another_language_makes_a_new_version(tmp_path: Path) -> None:
    """Naming none leaves the version what it was before languages were told."""
    async with running(tmp_path) as ingest:

        async def result(language: str) -> document_pb2.UploadResult.ValueType:
            events = (await ingest.upload(Document("a.txt", GERMAN, language=language)))["a.txt"]
            return events[-1].done.result

        assert await result("") == document_pb2.UPLOAD_RESULT_CREATED
        assert await result("") == document_pb2.UPLOAD_RESULT_UNCHANGED
        assert await result("en") == document_pb2.UPLOAD_RESULT_REPLACED
        assert language_of(ingest, "a.txt") == "en"
        assert await result("english") == document_pb2.UPLOAD_RESULT_UNCHANGED
        assert await result("de") == document_pb2.UPLOAD_RESULT_REPLACED


async def test_a_language_nobody_knows_is_refused_with_examples(tmp_path: Path) -> None:
    async with running(tmp_path) as ingest:
        error = failure((await ingest.upload(Document("a.txt", GERMAN, language="deutsch")))["a.txt"])
        assert "header.language" in error.message
        assert "`de`" in error.message
