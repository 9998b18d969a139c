"""Descriptions of pictures."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import docx
import pptx
import pytest

from services.ingest.model import DocumentType
from services.ingest.parsers import read
from services.ingest.parsers.alt_text import alt_text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("The plan of\n the north plant", "The plan of the north plant"),
        ("C:\\Users\\Ann\\my own picture.PNG", ""),
        ("Picture 4", ""),
        ("A person on a bicycle\n\nDescription automatically generated", ""),
        ("", ""),
    ],
)
def test_only_what_a_person_wrote_counts(raw: str, expected: str) -> None:
    """Not names of files or shapes, nor what an office program guessed."""
    assert alt_text(raw) == expected


def picture() -> io.BytesIO:
    """A PNG of one pixel."""

    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = piece(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n" + head + piece(b"IDAT", zlib.compress(b"\0\0")) + piece(b"IEND", b"")
    )


def test_a_described_picture_is_read_in_its_place(tmp_path: Path) -> None:
    """In documents and presentations."""
    path = tmp_path / "upload"
    document = docx.Document()
    document.add_paragraph("Before.")
    shape = document.add_picture(picture())
    shape._inline.docPr.set("descr", "The plan of the north plant")
    document.add_paragraph("After.")
    document.save(str(path))
    assert read(path, DocumentType.DOCX).text == "Before.\n\nThe plan of the north plant\n\nAfter."
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    placed = slide.shapes.add_picture(picture(), 0, 0)
    placed._element.nvPicPr.cNvPr.set("descr", "The plan of the south plant")
    presentation.save(str(path))
    assert read(path, DocumentType.PPTX).text == "The plan of the south plant"
