"""Ingest over real gRPC: documents of every kind become searchable, or fail with a reason that helps."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from docuquery.common.v1 import document_pb2
from tests.rpc.ingest_support import (
    Document,
    Ingest,
    encrypted,
    failed_because,
    failure,
    interleaved,
    kinds,
    pdf,
    running,
)

MARKDOWN = b"# Guide\n\nIntro.\n\n## Install\n\n" + b"Run the installer and wait. " * 60
HTML = (
    b"<!doctype html><html><head><title>T | Site</title></head><body><nav>Home About</nav><main>"
    b"<h1>Leave</h1><p>Everyone has 30 days.</p><table><tr><td>A</td><td>1</td></tr></table>"
    b"</main></body></html>"
)


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(tmp_path, workers=1) as service:
        yield service


async def test_a_document_is_acknowledged_step_by_step(ingest: Ingest) -> None:
    """RECEIVED, PARSED, INDEXED n/m, DONE, in this order, with true numbers."""
    long = MARKDOWN * 400
    events = (await ingest.upload(Document("guide.md", long)))["guide.md"]
    assert kinds(events) == ["received", "parsed", "indexed", "done"]
    assert events[0].received.size_bytes == len(long)
    assert events[1].parsed.type == document_pb2.DOCUMENT_TYPE_MARKDOWN
    total = events[1].parsed.chunk_count
    steps = [event.indexed for event in events[2:-1]]
    assert all(step.chunks_total == total for step in steps)
    written_so_far = [step.chunks_written for step in steps]
    assert written_so_far == sorted(written_so_far)
    assert steps[-1].chunks_written < total
    assert events[-1].done.result == document_pb2.UPLOAD_RESULT_CREATED
    assert events[-1].done.document.chunk_count == total


async def test_a_small_document_is_done_at_once(ingest: Ingest) -> None:
    """What would be over before it is heard of is not told."""
    events = (await ingest.upload(Document("guide.md", MARKDOWN)))["guide.md"]
    assert kinds(events) == ["received", "done"]


async def test_retrieval_gets_the_whole_text_with_its_structure(ingest: Ingest) -> None:
    """Heading paths, title, source, metadata and every character arrive."""
    document = Document("a/b\\guide.md", MARKDOWN, source="s3://x/guide.md", metadata={"team": "hr", "n": 3})
    await ingest.upload(document)
    record = ingest.retrieval.record("s3://x/guide.md")
    assert record.live is not None
    assert record.committed is not None
    assert record.live.text == MARKDOWN.decode().strip()
    assert record.live.request.filename == "guide.md"
    assert dict(record.live.request.metadata) == {"team": "hr", "n": 3}
    assert record.live.request.size_bytes == len(MARKDOWN)
    assert record.committed.title == "Guide"
    assert {tuple(c.headings) for c in record.live.chunks.values()} == {("Guide",), ("Guide", "Install")}
    assert all(len(text) <= 500 for text in record.live.chunk_texts.values())


async def test_the_request_id_and_the_tenant_travel_on(ingest: Ingest) -> None:
    """Calls to retrieval carry the caller's request id and tenant."""
    await ingest.upload(Document("a.txt", b"text"))
    assert ingest.retrieval.request_ids == {"test-request"}
    assert list(ingest.retrieval.records) == [("acme", "a.txt")]


async def test_pdf_pages_are_kept(ingest: Ingest) -> None:
    """Each chunk knows its pages, an empty page in between counts."""
    pages = ["First page speaks of apples. " * 20, "", "Third page speaks of pears. " * 20]
    await ingest.upload(Document("r.pdf", pdf(pages, title="Fruit Report")))
    record = ingest.retrieval.record("r.pdf")
    assert record.live is not None
    assert record.committed is not None
    assert record.committed.page_count == 3
    assert record.committed.title == "Fruit Report"
    for ordinal, text in record.live.chunk_texts.items():
        chunk = record.live.chunks[ordinal]
        if "apples" not in text:
            assert (chunk.pages.first, chunk.pages.last) == (3, 3)
        if "pears" not in text:
            assert (chunk.pages.first, chunk.pages.last) == (1, 1)
        for start in chunk.page_starts:
            assert record.live.text[start.char_start :].startswith("First" if start.page == 1 else "Third")
    starts = [start.page for chunk in record.live.chunks.values() for start in chunk.page_starts]
    assert sorted(set(starts)) == [1, 2, 3]


async def test_html_keeps_the_main_text(ingest: Ingest) -> None:
    """Headings and rows stay, navigation and tags do not."""
    await ingest.upload(Document("leave.html", HTML))
    assert ingest.retrieval.live_text("leave.html") == "Leave\n\nEveryone has 30 days.\n\nA | 1"


async def test_text_in_an_old_encoding_is_read(ingest: Ingest) -> None:
    """A file in windows-1251 arrives as Unicode."""
    text = "Отпуск составляет двадцать восемь календарных дней в году. " * 5
    await ingest.upload(Document("leave.txt", text.encode("cp1251")))
    assert ingest.retrieval.live_text("leave.txt") == text.strip()


async def test_the_same_bytes_again_are_unchanged_other_bytes_replace(ingest: Ingest) -> None:
    """No parsing and no writing for a second upload; a changed one is a new version."""
    await ingest.upload(Document("a.txt", b"one"))
    calls = dict(ingest.retrieval.calls)
    again = (await ingest.upload(Document("a.txt", b"one")))["a.txt"]
    assert kinds(again) == ["received", "done"]
    assert again[-1].done.result == document_pb2.UPLOAD_RESULT_UNCHANGED
    assert ingest.retrieval.calls["WriteChunks"] == calls["WriteChunks"]
    changed = (await ingest.upload(Document("a.txt", b"two")))["a.txt"]
    assert changed[-1].done.result == document_pb2.UPLOAD_RESULT_REPLACED
    assert ingest.retrieval.live_text("a.txt") == "two"


async def test_an_existing_document_is_skipped_or_refused_when_asked(ingest: Ingest) -> None:
    """SKIP leaves it, FAIL says so."""
    await ingest.upload(Document("a.txt", b"one"))
    skipped = await ingest.upload(
        Document("a.txt", b"two", if_exists=document_pb2.IF_EXISTS_POLICY_SKIP),
        Document("a.txt", b"two", "x", if_exists=document_pb2.IF_EXISTS_POLICY_FAIL),
    )
    assert skipped["a.txt"][-1].done.result == document_pb2.UPLOAD_RESULT_SKIPPED
    assert failed_because(skipped["x"]) == "DOCUMENT_ALREADY_EXISTS"
    assert ingest.retrieval.live_text("a.txt") == "one"


async def test_a_password_opens_an_encrypted_pdf(ingest: Ingest) -> None:
    """The right password reads it; none or a wrong one is DOCUMENT_ENCRYPTED, recorded, not retryable."""
    locked = encrypted(pdf(["The vault holds 7 bars."]), "sesame")
    events = await ingest.upload(
        Document("open.pdf", locked, password="sesame"),
        Document("none.pdf", locked),
        Document("wrong.pdf", locked, password="mellon"),
    )
    assert kinds(events["open.pdf"])[-1] == "done"
    assert "7 bars" in ingest.retrieval.live_text("open.pdf")
    for name, word in (("none.pdf", "with its password"), ("wrong.pdf", "right one")):
        error = failure(events[name])
        assert failed_because(events[name]) == "DOCUMENT_ENCRYPTED"
        assert word in error.message
        assert not error.retryable
        recorded = ingest.retrieval.record(name).error
        assert recorded is not None
        assert recorded == error


PDF = pdf(["Some text."])
BAD = [
    (Document("empty.txt", b""), "EMPTY_DOCUMENT"),
    (Document("blank.txt", b" \n\n\t "), "NO_TEXT"),
    (Document("scan.pdf", pdf(["", ""])), "NO_TEXT"),
    (Document("broken.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 20), "DOCUMENT_CORRUPT"),
    (Document("cut.pdf", PDF[:200]), "DOCUMENT_CORRUPT"),
    (Document("pic.png", b"\x89PNG\r\n\x1a\n" + bytes(200)), "UNSUPPORTED_DOCUMENT_TYPE"),
    (Document("some.bin", bytes(range(256)) * 4), "UNSUPPORTED_DOCUMENT_TYPE"),
    (Document("letter.docx", b"PK\x03\x04" + b"word/document.xml" * 9), "UNSUPPORTED_DOCUMENT_TYPE"),
    (Document("a.txt", PDF, type=document_pb2.DOCUMENT_TYPE_TEXT), "DOCUMENT_TYPE_MISMATCH"),
    (Document("b.pdf", b"just text", type=document_pb2.DOCUMENT_TYPE_PDF), "DOCUMENT_TYPE_MISMATCH"),
    (Document("c.txt", b"just text", type=document_pb2.DOCUMENT_TYPE_HTML), "DOCUMENT_TYPE_MISMATCH"),
    (Document("d.txt", b"good", sha256="0" * 64), "CHECKSUM_MISMATCH"),
    (Document("e.txt", b"x" * 70_000), "DOCUMENT_TOO_LARGE"),
    (Document("f.txt", b"x", size_bytes=70_000), "DOCUMENT_TOO_LARGE"),
    (Document("noise.txt", bytes(range(128, 256)) * 40), "UNKNOWN_TEXT_ENCODING"),
    (Document("", b"x", "no-name"), "INVALID_REQUEST"),
    (Document("folder/", b"x"), "INVALID_REQUEST"),
    (Document("n" * 256, b"x", "long-name"), "INVALID_REQUEST"),
    (Document("g.txt", b"x", source="s" * 1025), "INVALID_REQUEST"),
    (Document("h.txt", b"x", metadata={"k": "v" * 17_000}), "INVALID_REQUEST"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ingest]:
    """A service that takes documents of at most 64 KiB."""
    async with running(tmp_path_factory.mktemp("spool"), workers=1, max_document_bytes=65536) as service:
        yield service


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("document", "reason"), BAD, ids=lambda value: getattr(value, "id", value)[:20])
async def test_a_bad_document_fails_with_a_reason_and_leaves_nothing(
    small: Ingest, document: Document, reason: str
) -> None:
    """The reason is exact, the sentence helps, nothing internal shows, the spool is empty, others go on."""
    events = await small.upload(document, Document("ok.txt", b"fine"))
    error = failure(events[document.id])
    assert failed_because(events[document.id]) == reason
    assert error.message.endswith((".", ")")) or reason == "INVALID_REQUEST"
    assert len(error.message) > 20
    assert not any(word in error.message for word in ("Traceback", "Error:", ".py", "services."))
    assert not error.retryable
    assert kinds(events["ok.txt"])[-1] == "done"
    assert small.spooled() == []


async def test_the_version_is_of_bytes_type_and_settings(ingest: Ingest) -> None:
    """The same bytes read as another type are another version."""
    await ingest.upload(Document("a", b"# Title\n\ntext", source="text"))
    await ingest.upload(Document("a.md", b"# Title\n\ntext", source="markdown"))
    versions = {r.live.request.version for r in ingest.retrieval.records.values() if r.live}
    assert len(versions) == 2
    assert hashlib.sha256(b"# Title\n\ntext").hexdigest() not in versions


async def test_thirty_documents_interleave_with_bad_ones(tmp_path: Path) -> None:
    """Every document of a stream has its own fate, whatever the order their pieces come in."""
    good = [
        Document(f"good{i}.md", f"# Title {i}\n\n".encode() + f"Text number {i}. ".encode() * (i * 7 + 1))
        for i in range(20)
    ]
    bad = [
        Document(f"bad{i}.pdf", b"%PDF-1.4\n" + b"x" * (300 * i)) if i % 2 else Document(f"bad{i}.txt", b"")
        for i in range(10)
    ]
    mixed = [document for three in zip(good[::2], good[1::2], bad, strict=True) for document in three]
    async with running(tmp_path, open_uploads=30) as ingest:
        events = await ingest.send(interleaved(mixed))
        assert set(events) == {document.id for document in mixed}
        for document in good:
            assert kinds(events[document.id]) == ["received", "done"]
            assert ingest.retrieval.live_text(document.filename) == document.content.decode().strip()
        for document in bad:
            expected = "DOCUMENT_CORRUPT" if document.content else "EMPTY_DOCUMENT"
            assert failed_because(events[document.id]) == expected
        assert ingest.spooled() == []


async def test_a_large_text_goes_in_bounded_messages(ingest: Ingest) -> None:
    """Two megabytes with four-byte letters go through in several WriteChunks that cover the text."""
    text = "".join(f"Line {i}: 𝒳𝒴𝒵 and some more words for it.\n" for i in range(40_000))
    document = Document("big.txt", text.encode(), piece_bytes=256 * 1024)
    events = (await ingest.upload(document))["big.txt"]
    assert kinds(events)[-1] == "done"
    assert ingest.retrieval.calls["WriteChunks"] > 10
    assert ingest.retrieval.live_text("big.txt") == text.strip()
