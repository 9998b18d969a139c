"""Office and EPUB archives made to break parsers: bombs, entities, nesting, lies in the directory."""

from __future__ import annotations

import io
import struct
import zipfile

import docx
import openpyxl
import pptx

MIB = 1024 * 1024
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SECRET = "file:///etc/passwd"
ENTITIES = (
    '<!DOCTYPE w [<!ENTITY e0 "boom"><!ENTITY file SYSTEM "' + SECRET + '">'
    + "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    + "]>"
)  # fmt: skip


def good_docx() -> bytes:
    """An honest Word document."""
    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph("An honest sentence about gauges.")
    document.save(out)
    return out.getvalue()


def good_xlsx() -> bytes:
    """An honest workbook."""
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["gauge", "pressure"])
    book.active.append(["north", 7])
    book.save(out)
    return out.getvalue()


def good_pptx() -> bytes:
    """An honest presentation."""
    presentation, out = pptx.Presentation(), io.BytesIO()
    presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "Honest gauges"
    presentation.save(out)
    return out.getvalue()


def changed(source: bytes, name: str, data: bytes) -> bytes:
    """The archive with the member `name` replaced, or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        new.writestr(name, data)
    return out.getvalue()


def body(content: str, declaration: str = "") -> bytes:
    """The main part of a Word document."""
    start = f'<?xml version="1.0"?>{declaration}<w:document xmlns:w="{WORD}">'
    return f"{start}<w:body>{content}</w:body></w:document>".encode()


def paragraph(content: str) -> str:
    """A paragraph of a Word document."""
    return f"<w:p><w:r><w:t>{content}</w:t></w:r></w:p>"


def epub(chapter: bytes) -> bytes:
    """A book of one chapter."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/epub+zip")
        archive.writestr("META-INF/container.xml", "<c><rootfile full-path='p.opf'/></c>")
        archive.writestr(
            "p.opf",
            "<p><manifest><item id='c' href='c.html' media-type='text/html'/></manifest>"
            "<spine><itemref idref='c'/></spine></p>",
        )
        archive.writestr("c.html", chapter)
    return out.getvalue()


def zip_in_zip(depth: int) -> bytes:
    """Archives inside each other, the innermost full of zeros."""
    data, name = b"\0" * 10 * MIB, "zeros"
    for level in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for copy in range(8):
                archive.writestr(f"{copy}/{name}", data)
        data, name = out.getvalue(), f"level-{level}.zip"
    return data


def lying_about_sizes() -> bytes:
    """A document whose directory says that its main part has ten bytes."""
    source = good_docx()
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        size = archive.getinfo("word/document.xml").file_size
    return source.replace(struct.pack("<I", size), struct.pack("<I", 10))


def hostile_archives() -> dict[str, bytes]:
    """Name → bytes."""
    word, book, slides = good_docx(), good_xlsx(), good_pptx()
    main, sheet = "word/document.xml", "xl/worksheets/sheet1.xml"
    wide = '<w:tc><w:tcPr><w:gridSpan w:val="99999999"/></w:tcPr></w:tc>' * 1000
    spread = f"<w:tbl><w:tr>{wide}</w:tr></w:tbl>"
    ring = "".join(
        f'<w:style w:type="paragraph" w:styleId="{a}"><w:name w:val="{a}"/><w:basedOn w:val="{b}"/></w:style>'
        for a, b in (("A", "B"), ("B", "A"))
    )
    in_ring = '<w:p><w:pPr><w:pStyle w:val="A"/></w:pPr><w:r><w:t>Honest words in a ring.</w:t></w:r></w:p>'
    far = b'<worksheet><sheetData><row><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
    return {
        **{f"cut-{share}.docx": word[: len(word) * share // 100] for share in (1, 30, 70, 99)},
        **{f"cut-{share}.xlsx": book[: len(book) * share // 100] for share in (30, 99)},
        **{f"cut-{share}.pptx": slides[: len(slides) * share // 100] for share in (30, 99)},
        "bomb.docx": changed(word, main, body(paragraph(" " * 300 * MIB))),
        "media-bomb.docx": changed(word, "word/media/zeros.bin", b"\0" * 200 * MIB),
        "text-bomb.xlsx": changed(book, "xl/sharedStrings.xml", b"<sst><si><t>" + b"a" * 250 * MIB),
        "entities.docx": changed(word, main, body(paragraph("&e9; &file;"), ENTITIES)),
        "entities.xlsx": changed(book, sheet, f"{ENTITIES}<worksheet>&e9;&file;</worksheet>".encode()),
        "entities.pptx": changed(slides, "ppt/slides/slide1.xml", f"{ENTITIES}<a>&e9;&file;</a>".encode()),
        "entities.epub": epub(f"{ENTITIES}<html><p>Honest words. &e9; &file;</p></html>".encode()),
        "deep.docx": changed(word, main, body("<w:sdt>" * 5000 + "</w:sdt>" * 5000)),
        "wide-table.docx": changed(word, main, body(spread * 50 + paragraph("Honest words."))),
        "style-ring.docx": changed(
            changed(word, "word/styles.xml", f'<w:styles xmlns:w="{WORD}">{ring}</w:styles>'.encode()),
            main,
            body(in_ring),
        ),
        "numbering.docx": changed(word, "word/numbering.xml", b"<w:numbering"),
        "far-cell.xlsx": changed(book, sheet, far),
        "many-members.docx": many_members(word, 20_000),
        "zip-in-zip.zip": zip_in_zip(4),
        "zip-in-zip.docx": changed(word, "word/embeddings/inner.zip", zip_in_zip(3)),
        "lying.docx": lying_about_sizes(),
        "deep.epub": epub(b"<html><body>" + b"<div>" * 50_000 + b"words"),
        "bomb.epub": epub(b"<p>" + b"words " * 20 * MIB),
    }


def many_members(source: bytes, count: int) -> bytes:
    """The archive with `count` empty members more."""
    out = io.BytesIO(source)
    with zipfile.ZipFile(out, "a") as archive:
        for number in range(count):
            archive.writestr(f"word/media/{number}", b"")
    return out.getvalue()
