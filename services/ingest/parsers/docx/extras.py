"""What a Word paragraph only points to: footnotes, endnotes and charts, each in a part of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from docx.document import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from lxml import etree

from services.ingest.parsers.docx.chart_xml import chart_rows, chart_title, parse_xml
from services.ingest.parsers.docx.styles import WORD, attribute

_REFERENCES = {f"{WORD}footnoteReference": f"{WORD}footnote", f"{WORD}endnoteReference": f"{WORD}endnote"}
_PARTS = {
    f"{WORD}footnote": RELATIONSHIP_TYPE.FOOTNOTES,
    f"{WORD}endnote": RELATIONSHIP_TYPE.ENDNOTES,
}
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


class Extras:
    """Gives every note and chart once, where it is first pointed to. Damaged parts give nothing."""

    def __init__(self, document: Document, text_of: Callable[[etree._Element], str]) -> None:
        """`text_of` reads a paragraph."""
        self._parts = document.part.related_parts
        self._text_of = text_of
        self._charts: set[str] = set()
        self._notes: dict[tuple[str, str], etree._Element] = {}
        for tag, kind in _PARTS.items():
            try:
                root = parse_xml(document.part.part_related_by(kind).blob)
            except (KeyError, ValueError, etree.XMLSyntaxError):
                continue
            self._notes |= {(tag, attribute(note, "id")): note for note in root.iterfind(tag)}

    def notes(self, paragraph: etree._Element) -> Iterator[str]:
        """The texts of the notes that `paragraph`, or a table, refers to."""
        if not self._notes:
            return
        for reference in paragraph.iter(*_REFERENCES):
            note = self._notes.pop((_REFERENCES[reference.tag], attribute(reference, "id")), None)
            if note is not None:
                yield " ".join(self._text_of(part).strip() for part in note.iter(f"{WORD}p"))

    def charts(self, paragraph: etree._Element) -> Iterator[tuple[str, list[list[str]]]]:
        """Title and rows of the charts in `paragraph`, or in a table."""
        for reference in paragraph.iter(_CHART):
            name = str(reference.get(_RELATION, ""))
            part = self._parts.get(name)
            if part is None or name in self._charts:
                continue
            self._charts.add(name)
            try:
                chart = parse_xml(part.blob)
            except (ValueError, etree.XMLSyntaxError):
                continue
            yield chart_title(chart), chart_rows(chart)
