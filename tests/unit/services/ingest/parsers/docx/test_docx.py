"""Word documents: text with structure."""

from __future__ import annotations

import zipfile
from pathlib import Path

import docx
import pytest
from docx.document import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers import read
from services.ingest.parsers.docx import parse
from services.ingest.parsers.errors import ParseError


def saved(document: Document, folder: Path) -> Path:
    path = folder / "upload"
    document.save(str(path))
    return path


def outline(parsed: ParsedDocument) -> list[tuple[str, tuple[str, ...]]]:
    return [(parsed.text[s.char_start :].split("\n")[0], s.headings) for s in parsed.sections]


def test_headings_lists_and_tables_keep_their_structure(tmp_path: Path) -> None:
    """Sections begin at the headings' own lines; every row names its columns."""
    document = docx.Document()
    document.core_properties.title = "Travel rules"
    document.add_paragraph("Before.")
    document.add_heading("Trips", level=1)
    document.add_heading("Abroad", level=2)
    document.add_paragraph("Ask first.", style="List Bullet")
    document.add_paragraph("Then go.", style="List Bullet 2")
    table = document.add_table(rows=3, cols=2)
    for row, values in zip(table.rows, (("City", "Rate"), ("Rome", "120"), ("Oslo", "180")), strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    parsed = parse(saved(document, tmp_path))
    assert parsed.text == (
        "Before.\n\nTrips\n\nAbroad\n\n- Ask first.\n  - Then go.\n\n"
        "City: Rome | Rate: 120\n\nCity: Oslo | Rate: 180"
    )
    assert (parsed.type, parsed.title) == (DocumentType.DOCX, "Travel rules")
    assert outline(parsed) == [("Trips", ("Trips",)), ("Abroad", ("Trips", "Abroad"))]
    assert parsed.pages == ()


def test_deleted_and_hidden_text_is_left_out(tmp_path: Path) -> None:
    """What a reader does not see is neither found nor cited."""
    document = docx.Document()
    paragraph = document.add_paragraph("kept")
    paragraph.add_run(" hidden").font.hidden = True
    deleted = OxmlElement("w:del")
    run = paragraph.add_run(" deleted")
    run.element.find(qn("w:t")).tag = qn("w:delText")
    deleted.append(run.element)
    paragraph._p.append(deleted)
    assert parse(saved(document, tmp_path)).text == "kept"


def test_merged_cells_repeat_downwards_and_keep_columns(tmp_path: Path) -> None:
    """A value that spans rows holds for each of them; one that spans columns shifts none."""
    document = docx.Document()
    table = document.add_table(rows=3, cols=3)
    for cell, name in zip(table.rows[0].cells, ("Region", "Site", "Head"), strict=True):
        cell.text = name
    table.cell(1, 0).merge(table.cell(2, 0)).text = "North"
    table.cell(1, 1).text, table.cell(1, 2).text = "Oslo", "Ida"
    table.cell(2, 1).merge(table.cell(2, 2)).text = "closed"
    assert parse(saved(document, tmp_path)).text == (
        "Region: North | Site: Oslo | Head: Ida\n\nRegion: North | Site: closed"
    )


def rewritten(path: Path, member: str, content: bytes) -> Path:
    """The archive at `path` with one member replaced."""
    target = path.with_name("rewritten")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            out.writestr(name, content if name == member else source.read(name))
    return target


def test_declared_entities_are_refused_unread(tmp_path: Path) -> None:
    """Neither a file's text nor a bomb's comes in through an entity."""
    document = docx.Document()
    document.add_paragraph("x")
    attack = (
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><w:document xmlns:w="http://schemas.'
        b'openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&e;</w:t></w:r></w:p>'
        b"</w:body></w:document>"
    )
    with pytest.raises(ParseError) as caught:
        parse(rewritten(saved(document, tmp_path), "word/document.xml", attack))
    assert caught.value.reason == "DOCUMENT_CORRUPT"
    assert "entities" in caught.value.message


@pytest.mark.parametrize("member", ["word/document.xml", "[Content_Types].xml", "word/styles.xml"])
def test_damaged_parts_make_a_corrupt_document(member: str, tmp_path: Path) -> None:
    """Whatever the library says about them."""
    document = docx.Document()
    document.add_paragraph("x")
    with pytest.raises(ParseError) as caught:
        parse(rewritten(saved(document, tmp_path), member, b"<broken"))
    assert caught.value.reason == "DOCUMENT_CORRUPT"


def test_a_document_without_text_says_so(tmp_path: Path) -> None:
    """An empty body is no fault of the file."""
    with pytest.raises(ParseError) as caught:
        read(saved(docx.Document(), tmp_path), DocumentType.DOCX)
    assert caught.value.reason == "NO_TEXT"


def test_without_the_library_the_type_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the extra to install."""

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("services.ingest.parsers.import_module", absent)
    with pytest.raises(ParseError) as caught:
        read(tmp_path / "upload", DocumentType.DOCX)
    assert caught.value.reason == "UNSUPPORTED_DOCUMENT_TYPE"
    assert "docuquery[office]" in caught.value.message
