"""Types told from content."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.errors import DocuQueryError
from services.ingest.detection.containers import OLE_SIGNATURE
from services.ingest.detection.detect import HEAD_BYTES, detect, promised_type
from services.ingest.model import DocumentType

PDF, MARKDOWN, HTML, TEXT = DocumentType.PDF, DocumentType.MARKDOWN, DocumentType.HTML, DocumentType.TEXT


@pytest.mark.parametrize(
    ("head", "filename", "expected"),
    [
        (b"%PDF-1.7\n...", "a.pdf", PDF),
        (b"%PDF-1.7\n...", "a.txt", PDF),
        (b"junk\n" * 20 + b"%PDF-1.4", "a", PDF),
        (b"%\xe2\xe3\n1 0 obj\n<< /Type /Catalog >>", "lost-header.pdf", PDF),
        (b"1 0 obj << in a text about PDF", "a.txt", TEXT),
        (b"<!DOCTYPE html><p>x", "a", HTML),
        (b"\xef\xbb\xbf  <!-- c -->\n<html lang=en>", "a.txt", HTML),
        (b"<?xml version='1.0'?><!DOCTYPE html>", "a.xml", HTML),
        (b"<html><body>", "readme.md", HTML),
        ("<html>".encode("utf-16"), "a", HTML),
        ("<html><p>text text</p>".encode("utf-16-le"), "a", HTML),
        (b"<div>fragment</div>", "a", HTML),
        (b"Hello <b>you</b>", "a.html", HTML),
        (b"no tags at all", "a.html", TEXT),
        (b"<p align=center>logo</p>\n# Title", "README.md", MARKDOWN),
        (b"# Title", "a.MD", MARKDOWN),
        (b"# Title", "a.txt", TEXT),
        (b"a,b\n1,2\n", "a.csv", DocumentType.CSV),
        (b"a\tb\n1\t2\n", "a.tsv", DocumentType.CSV),
        (b"a,b\n1,2\n", "a.txt", TEXT),
        (b"Prose, of a kind.\nAnd more.\n", "a.csv", TEXT),
        (b"PK\x03\x04" + b"." * 26 + b"word/document.xml", "a", DocumentType.DOCX),
        (b"PK\x03\x04" + b"." * 26 + b"xl/workbook.xml", "a.docx", DocumentType.XLSX),
        (b"PK\x03\x04" + b"." * 26 + b"ppt/presentation.xml", "a.zip", DocumentType.PPTX),
        (b"PK\x03\x04" + b"." * 26 + b"mimetypeapplication/epub+zipPK", "a", DocumentType.EPUB),
        (b"PK\x03\x04" + b"." * 26 + b"[Content_Types].xml", "cut-off.pptx", DocumentType.PPTX),
        (b"<svg xmlns='x'>", "a.svg", TEXT),
        ("текст".encode("cp1251") * 50, "a", TEXT),
        ("text text".encode("utf-16"), "a", TEXT),
        (b"one \x00 zero in a log of some length. " + b"And more. " * 10, "a.log", TEXT),
    ],
)
def test_the_content_decides(head: bytes, filename: str, expected: DocumentType) -> None:
    """The name only tells Markdown from other text."""
    assert detect(head, filename) == expected


@pytest.mark.parametrize(
    ("head", "declared"),
    [
        (b"plain", TEXT),
        (b"plain", MARKDOWN),
        (b"<!doctype html><p>x", TEXT),
        (b"some <b>bold</b>", HTML),
        (b"%PDF-1.7", PDF),
    ],
)
def test_a_declared_type_is_taken_when_the_content_can_be_read_so(
    head: bytes, declared: DocumentType
) -> None:
    """Any text is plain text."""
    assert detect(head, "a", declared) == declared


@pytest.mark.parametrize(
    ("head", "filename", "declared", "detected"),
    [
        (b"%PDF-1.7", "a.txt", TEXT, "pdf"),
        (b"%PDF-1.7", "a.md", MARKDOWN, "pdf"),
        (b"<!doctype html>", "a", MARKDOWN, "html"),
        (b"plain", "a", HTML, "text"),
        (b"plain", "a", PDF, "text"),
        (b"\x89PNG\r\n\x1a\n", "a", PDF, "png"),
        (b"One line.\nAnd another, of prose.", "a", DocumentType.CSV, "text"),
        (b"PK\x03\x04" + b"." * 26 + b"word/document.xml", "a", PDF, "docx"),
    ],
)
def test_a_mismatch_names_both_types(
    head: bytes, filename: str, declared: DocumentType | None, detected: str
) -> None:
    """What was announced, and what it is."""
    with pytest.raises(DocuQueryError) as caught:
        detect(head, filename, declared)
    assert caught.value.reason_name == "DOCUMENT_TYPE_MISMATCH"
    assert caught.value.metadata == {"declared_type": declared, "detected_type": detected}


@pytest.mark.parametrize(
    ("head", "filename", "actual", "promised"),
    [
        (b"<html>login please", "report.PDF", HTML, PDF),
        (b"plain", "a.pdf", TEXT, PDF),
        (b"%PDF-1.7", "a.docx", PDF, DocumentType.DOCX),
        (b"%PDF-1.7", "notes.txt", PDF, TEXT),
        (b"PK\x03\x04" + b"." * 26 + b"xl/workbook.xml", "a.docx", DocumentType.XLSX, DocumentType.DOCX),
        (b"no table at all", "a.csv", TEXT, DocumentType.CSV),
        (b"no tags at all", "a.html", TEXT, HTML),
        (b"<!doctype html><p>x", "readme.md", HTML, MARKDOWN),
        (b"%PDF-1.7", "a.pdf", PDF, None),
        (b"<p>x", "a.txt", HTML, None),
        (b"plain", "a.log", TEXT, None),
        (b"%PDF-1.7", "a", PDF, None),
    ],
)
def test_a_wrong_ending_refuses_nothing_and_is_told(
    head: bytes, filename: str, actual: DocumentType, promised: DocumentType | None
) -> None:
    """The document is read as its content; what its name promised can be reported."""
    with capture_logs() as logs:
        assert detect(head, filename) == actual
    assert promised_type(filename, actual) == promised
    assert [(one["promised"], one["read_as"]) for one in logs] == ([(promised, actual)] if promised else [])


@pytest.mark.parametrize(
    ("head", "detected"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\0\0\0\x18ftypmp42", "mp4"),
        (b"PK\x03\x04" + b"." * 26 + b"xl/workbook.bin", "xlsb"),
        (b"PK\x03\x04" + b"." * 26 + b"mimetypeapplication/vnd.oasis.opendocument.textPK", "odt"),
        (b"PK\x03\x04....stuff", "zip"),
        (b"{\\rtf1", "rtf"),
        (bytes(range(256)), "binary"),
    ],
)
def test_what_cannot_be_read_is_named(head: bytes, detected: str) -> None:
    """The refusal says what it is and what would do."""
    with pytest.raises(DocuQueryError) as caught:
        detect(head, "a")
    assert caught.value.reason_name == "UNSUPPORTED_DOCUMENT_TYPE"
    assert caught.value.metadata == {
        "detected_type": detected,
        "supported_types": "pdf, markdown, html, text, docx, pptx, xlsx, csv, epub",
    }


@pytest.mark.parametrize(
    ("stream", "reason", "said"),
    [
        ("EncryptedPackage", "DOCUMENT_ENCRYPTED", "without a password"),
        ("WordDocument", "UNSUPPORTED_DOCUMENT_TYPE", "Save it as docx"),
        ("Workbook", "UNSUPPORTED_DOCUMENT_TYPE", "Save it as xlsx"),
        ("PowerPoint Document", "UNSUPPORTED_DOCUMENT_TYPE", "Save it as pptx"),
        ("Other", "UNSUPPORTED_DOCUMENT_TYPE", "Upload one of"),
    ],
)
def test_an_ole_file_is_told_by_its_streams_wherever_its_directory_stands(
    stream: str, reason: str, said: str, tmp_path: Path
) -> None:
    """A directory behind the first 64 KiB counts too."""
    header = bytearray(OLE_SIGNATURE.ljust(512, b"\0"))
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = (200).to_bytes(4, "little")
    path = tmp_path / "upload"
    path.write_bytes(bytes(header) + b"\0" * 512 * 200 + stream.encode("utf-16-le").ljust(512, b"\0"))
    with pytest.raises(DocuQueryError) as caught:
        detect(path.read_bytes()[:HEAD_BYTES], "a.docx", path=path)
    assert caught.value.reason_name == reason
    assert said in caught.value.message


def test_an_archive_that_begins_with_pictures_is_told_by_its_directory(tmp_path: Path) -> None:
    """The names at the end count as well as those in the head."""
    path = tmp_path / "upload"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("media/picture.png", b"x" * 2 * HEAD_BYTES)
        archive.writestr("word/document.xml", b"<w/>")
    assert detect(path.read_bytes()[:HEAD_BYTES], "a", path=path) == DocumentType.DOCX
