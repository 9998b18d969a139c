"""Notes and charts: parts that a Word paragraph points to."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from docx.document import Document
from docx.opc.constants import CONTENT_TYPE, RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml

from services.ingest.parsers.docx import parse

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

NOTES = (
    f'<w:footnotes xmlns:w="{WORD}"><w:footnote w:type="separator" w:id="-1"><w:p/></w:footnote>'
    '<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/><w:t>Gauges were </w:t></w:r>'
    "<w:r><w:t>replaced in 2019.</w:t></w:r></w:p></w:footnote></w:footnotes>"
)


def points(kind: str, values: list[str]) -> str:
    found = "".join(f'<c:pt idx="{i}"><c:v>{value}</c:v></c:pt>' for i, value in enumerate(values))
    return f"<c:{kind}><c:numRef><c:numCache>{found}</c:numCache></c:numRef></c:{kind}>"


def series(name: str, values: list[str]) -> str:
    return f"<c:ser>{points('tx', [name])}{points('cat', ['Mon', 'Tue'])}{points('val', values)}</c:ser>"


BARS = (
    f'<c:chartSpace xmlns:c="{CHART}"><c:chart><c:title><a:t xmlns:a="http://schemas.openxmlformats.org/'
    'drawingml/2006/main">Pressure</a:t></c:title><c:plotArea><c:barChart>'
    f"{series('North', ['7', '8'])}{series('South', ['5', ''])}"
    "</c:barChart></c:plotArea></c:chart></c:chartSpace>"
)


def attach(document: Document, name: str, content_type: str, relation: str, content: str) -> str:
    """Adds a part; the id by which the document refers to it."""
    part = Part(PackURI(f"/word/{name}.xml"), content_type, content.encode(), document.part.package)
    return document.part.relate_to(part, relation)


def refer(document: Document, text: str, element: str) -> None:
    run = document.add_paragraph(text).add_run()
    run._r.append(parse_xml(element))


def with_notes(content: str, folder: Path) -> str:
    document = docx.Document()
    attach(document, "footnotes", CONTENT_TYPE.WML_FOOTNOTES, RELATIONSHIP_TYPE.FOOTNOTES, content)
    for text in ("First.", "Second."):
        refer(document, text, f'<w:footnoteReference xmlns:w="{WORD}" w:id="2"/>')
    refer(document, "Third.", f'<w:footnoteReference xmlns:w="{WORD}" w:id="9"/>')
    document.save(str(folder / "upload"))
    return parse(folder / "upload").text


def with_chart(content: str, folder: Path) -> str:
    document = docx.Document()
    name = attach(document, "chart1", CONTENT_TYPE.DML_CHART, RELATIONSHIP_TYPE.CHART, content)
    for text, target in (("Before.", name), ("After.", name), ("Gone.", "rId999")):
        refer(document, text, f'<c:chart xmlns:c="{CHART}" xmlns:r="{RELATION}" r:id="{target}"/>')
    document.save(str(folder / "upload"))
    return parse(folder / "upload").text


def test_a_footnote_follows_the_paragraph_that_first_refers_to_it(tmp_path: Path) -> None:
    """Once; a reference to nothing gives nothing."""
    assert with_notes(NOTES, tmp_path) == "First.\n\nGauges were replaced in 2019.\n\nSecond.\n\nThird."


def test_a_chart_gives_its_numbers_where_it_stands(tmp_path: Path) -> None:
    """Title, then a row a category with the names of the series; values that are missing are left out."""
    assert with_chart(BARS, tmp_path) == (
        "Before.\n\nPressure\n\nCategory: Mon | North: 7 | South: 5\n\nCategory: Tue | North: 8\n\n"
        "After.\n\nGone."
    )


@pytest.mark.parametrize("damaged", ["", "<w:footnotes", "no XML", "<a>" * 1000 + "</a>" * 1000])
def test_damaged_parts_cost_themselves_only(damaged: str, tmp_path: Path) -> None:
    """The document's own text is read."""
    assert with_notes(damaged, tmp_path) == "First.\n\nSecond.\n\nThird."
    assert with_chart(damaged, tmp_path) == "Before.\n\nAfter.\n\nGone."


@pytest.mark.parametrize("index", ["x", "-1", "٣", "9" * 400])
def test_a_chart_with_odd_places_is_read_as_far_as_it_makes_sense(index: str, tmp_path: Path) -> None:
    """Places that are no numbers are skipped, huge ones cost nothing."""
    odd = f'<c:pt idx="{index}"><c:v>77</c:v></c:pt></c:numCache>'
    text = with_chart(BARS.replace("</c:numCache>", odd, 3), tmp_path)
    assert "Category: Mon | North: 7 | South: 5" in text
