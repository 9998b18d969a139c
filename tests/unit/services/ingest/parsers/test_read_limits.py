"""Every parser keeps to the limits it is given, and says which one a document exceeds."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from fpdf import FPDF

from services.ingest.model import DocumentType
from services.ingest.parsers import read
from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.limits import ParseLimits

SENTENCE = "Gauges are read at noon and written down by two people. "


def pdf(pages: int) -> bytes:
    file = FPDF()
    file.set_font("Helvetica")
    for _ in range(pages):
        file.add_page()
        file.multi_cell(0, text=SENTENCE)
    return bytes(file.output())


def slides(count: int) -> bytes:
    presentation, out = pptx.Presentation(), io.BytesIO()
    for _ in range(count):
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = SENTENCE
    presentation.save(out)
    return out.getvalue()


def word(depth: int = 0) -> bytes:
    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph(SENTENCE * 3)
    document.save(out)
    if not depth:
        return out.getvalue()
    deep = io.BytesIO()
    with zipfile.ZipFile(out) as source, zipfile.ZipFile(deep, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/document.xml":
                data = data.replace(b"<w:sectPr", b"<w:sdt>" * depth + b"</w:sdt>" * depth + b"<w:sectPr", 1)
            target.writestr(name, data)
    return deep.getvalue()


def workbook() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for _ in range(5):
        book.active.append([SENTENCE, SENTENCE])
    book.save(out)
    return out.getvalue()


def epub() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", "<c><rootfile full-path='p.opf'/></c>")
        items = "".join(f"<item id='c{i}' href='{i}.html' media-type='text/html'/>" for i in range(3))
        spine = "".join(f"<itemref idref='c{i}'/>" for i in range(3))
        archive.writestr("p.opf", f"<p><manifest>{items}</manifest><spine>{spine}</spine></p>")
        for number in range(3):
            archive.writestr(f"{number}.html", f"<p>{SENTENCE}</p>")
    return out.getvalue()


DOCUMENTS = {
    DocumentType.PDF: pdf(3),
    DocumentType.MARKDOWN: (SENTENCE * 3).encode(),
    DocumentType.HTML: f"<p>{SENTENCE * 3}".encode(),
    DocumentType.TEXT: (SENTENCE * 3).encode(),
    DocumentType.DOCX: word(),
    DocumentType.PPTX: slides(3),
    DocumentType.XLSX: workbook(),
    DocumentType.CSV: f"a,b\n{SENTENCE},{SENTENCE}\n{SENTENCE},x\n".encode(),
    DocumentType.EPUB: epub(),
}


def refusal(path: Path, kind: DocumentType, limits: ParseLimits) -> ParseError:
    with pytest.raises(ParseError) as caught:
        read(path, kind, "", limits)
    assert caught.value.reason == "PARSE_LIMIT_EXCEEDED"
    assert "upload it again" in caught.value.message
    return caught.value


@pytest.mark.parametrize("kind", DocumentType)
def test_a_text_that_is_too_long_is_refused_in_every_format(kind: DocumentType, tmp_path: Path) -> None:
    """One character less than it has; with exactly as many it is read."""
    path = tmp_path / "upload"
    path.write_bytes(DOCUMENTS[kind])
    length = len(read(path, kind).text)
    assert read(path, kind, "", ParseLimits(max_characters=length)).text
    error = refusal(path, kind, ParseLimits(max_characters=length - 1))
    assert error.metadata == {"limit_name": "characters", "limit": str(length - 1)}


@pytest.mark.parametrize("kind", [DocumentType.PDF, DocumentType.PPTX])
def test_too_many_pages_are_refused(kind: DocumentType, tmp_path: Path) -> None:
    """Pages of a PDF, slides of a presentation."""
    path = tmp_path / "upload"
    path.write_bytes(DOCUMENTS[kind])
    assert len(read(path, kind, "", ParseLimits(max_pages=3)).pages) == 3
    assert refusal(path, kind, ParseLimits(max_pages=2)).metadata == {"limit_name": "pages", "limit": "2"}


@pytest.mark.parametrize("kind", [DocumentType.DOCX, DocumentType.PPTX, DocumentType.XLSX, DocumentType.EPUB])
def test_archives_keep_to_the_limits_of_archives(kind: DocumentType, tmp_path: Path) -> None:
    """By the number of their parts, and by their size when decompressed."""
    path = tmp_path / "upload"
    path.write_bytes(DOCUMENTS[kind])
    assert refusal(path, kind, ParseLimits(max_archive_members=2)).metadata["limit_name"] == "archive_members"
    assert refusal(path, kind, ParseLimits(max_archive_bytes=99)).metadata["limit_name"] == "archive_bytes"


def test_xml_that_is_nested_too_deeply_is_no_damage(tmp_path: Path) -> None:
    """The caller hears of the limit, not of a broken file."""
    path = tmp_path / "upload"
    path.write_bytes(word(depth=300))
    error = refusal(path, DocumentType.DOCX, ParseLimits())
    assert error.metadata == {"limit_name": "nesting", "limit": "256"}


def test_every_limit_has_a_setting() -> None:
    """None can be set only in code."""
    from services.ingest.settings import Settings

    for limit in dataclasses.fields(ParseLimits):
        changed = Settings(_env_file=None, **{limit.name: 17}).parse_limits()
        assert getattr(changed, limit.name) == 17
