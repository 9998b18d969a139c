"""Word documents: paragraphs with headings from their styles, lists as lines, tables row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docx as word
from docx.document import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from lxml import etree

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.alt_text import alt_text
from services.ingest.parsers.docx.extras import Extras
from services.ingest.parsers.docx.numbering import Numbering
from services.ingest.parsers.docx.styles import WORD, ParagraphStyle, ParagraphStyles, attribute
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.table_rows import CellBudget, cell_text, write_table
from services.ingest.parsers.text_builder import TextBuilder
from services.ingest.parsers.xml_faults import xml_fault
from services.ingest.parsers.zip_limits import check_office_file

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}docPr"
_PARAGRAPH, _TABLE, _BOX = f"{WORD}p", f"{WORD}tbl", f"{WORD}txbxContent"
_TEXTS = frozenset({f"{WORD}t", f"{_MATH}t"})
_BREAKS = {f"{WORD}tab": "\t", f"{WORD}br": "\n", f"{WORD}cr": "\n", f"{WORD}noBreakHyphen": "-"}
# Deleted and moved-away text, field codes, properties, the second form of a drawing for old programs.
_SKIPPED = frozenset({
    f"{WORD}del", f"{WORD}moveFrom", f"{WORD}pPr", f"{WORD}instrText", f"{WORD}sdtPr", _FALLBACK,
})  # fmt: skip
_MAX_SPAN = 63
"""Columns of a Word table: what a span may claim."""


def parse(path: Path, limits: ParseLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """The body of the document with the numbers of its headings and list items.

    The title comes from its properties, else it is its title paragraph or first heading.
    Footnotes and endnotes follow the paragraph that refers to them, charts give their numbers, pictures the
    description their author wrote. Deleted and hidden text, comments, page headers and embedded files are
    left out. Links, linked pictures and templates are never followed.
    Raises ParseError: DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED, PARSE_LIMIT_EXCEEDED.
    """
    check_office_file(path, "Word", limits)
    try:
        document = word.Document(str(path))
        body, title = document.element.body, _core_title(document)
        styles = ParagraphStyles(document)
    except (OpcError, etree.LxmlError, KeyError, ValueError, AttributeError, TypeError) as error:
        # Parts that are missing or stand in for others; the library says so in many ways.
        raise xml_fault(error, "Word") from error
    numbering = Numbering(_numbering_part(document), styles.numbering_instances())
    reader = _Reader(styles, numbering, Extras(document, _text), limits)
    if body is not None:
        reader.read(body)
    return reader.builder.build(DocumentType.DOCX, title or reader.title)


def _core_title(document: Document) -> str:
    try:
        return document.core_properties.title or ""
    except (KeyError, ValueError, AttributeError, etree.LxmlError):
        return ""


def _numbering_part(document: Document) -> etree._Element | None:
    try:
        # The library's own property makes a part where there is none.
        return getattr(document.part.part_related_by(RELATIONSHIP_TYPE.NUMBERING), "element", None)
    except (KeyError, ValueError):
        return None


class _Reader:
    def __init__(
        self, styles: ParagraphStyles, numbering: Numbering, extras: Extras, limits: ParseLimits
    ) -> None:
        self.builder = TextBuilder(limits)
        self.title = ""
        """The first paragraph in the style Title."""
        self._styles = styles
        self._numbering = numbering
        self._extras = extras
        self._described: set[etree._Element] = set()
        self._budget = CellBudget()

    def read(self, container: etree._Element) -> None:
        """Reads the paragraphs and tables below `container` in order."""
        # libxml2 reads 256 elements inside each other, so walking down cannot go on for ever.
        walker = etree.iterwalk(container, events=("start",))
        for _, element in walker:
            if element.tag in _SKIPPED:
                walker.skip_subtree()
            elif element.tag == _PARAGRAPH:
                self._paragraph(element)
                walker.skip_subtree()
            elif element.tag == _TABLE:
                self._table(element)
                walker.skip_subtree()

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = _text(paragraph)
        style = self._styles.of(paragraph)
        number = self._number(style)
        if style.is_title and not self.title:
            self.title = text
        if style.heading_level:
            self.builder.heading(style.heading_level, f"{number} {text}" if text.strip() else "")
        elif style.list_depth is not None:
            self.builder.item(text, style.list_depth, number or "-")
        else:
            self.builder.paragraph(text)
        for box in _boxes(paragraph):
            self.read(box)
        self._pointed_to(paragraph)

    def _pointed_to(self, element: etree._Element) -> None:
        """Writes what stands beside the text of a paragraph or table: pictures, charts, notes."""
        for drawing in element.iter(_DRAWING):
            # One in a text box belongs to the box's paragraph and to the one that anchors the box.
            description = alt_text(str(drawing.get("descr", "")))
            if description and drawing not in self._described:
                self._described.add(drawing)
                self.builder.paragraph(description)
        for title, rows in self._extras.charts(element):
            self.builder.paragraph(title)
            write_table(self.builder, rows, self._budget)
        for note in self._extras.notes(element):
            self.builder.paragraph(note)

    def _number(self, style: ParagraphStyle) -> str:
        """Counts a paragraph of this style; what stands before it."""
        if not style.instance:
            return ""
        level = style.level
        if level is None:
            level = self._numbering.level_of_style(style.instance, style.style)
        return self._numbering.next(style.instance, level)

    def _cell_text(self, cell: etree._Element) -> str:
        parts: list[str] = []
        for paragraph in cell.iter(_PARAGRAPH):
            parts.append(self._number(self._styles.of(paragraph)))
            parts.append(_text(paragraph))
        return cell_text(" ".join(parts))

    def _table(self, table: etree._Element) -> None:
        rows = [row for row in table.iter(f"{WORD}tr") if _owner(row) is table and not _deleted(row)]
        if _arranges_the_page(table, rows):
            for row in rows:
                for cell in row.iter(f"{WORD}tc"):
                    if _owner(cell) is table:
                        self.read(cell)
            return
        above: list[str] = []
        grid: list[list[str]] = []
        for row in rows:
            above = _cells(row, table, above, self._cell_text)
            grid.append(above)
        write_table(self.builder, grid, self._budget)
        self._pointed_to(table)


def _owner(element: etree._Element) -> etree._Element | None:
    return next(element.iterancestors(_TABLE), None)


def _deleted(row: etree._Element) -> bool:
    return row.find(f"{WORD}trPr/{WORD}del") is not None


def _arranges_the_page(table: etree._Element, rows: list[etree._Element]) -> bool:
    """Whether the table holds parts of the page (tables, a single column of text), not data."""
    if table.find(f".//{_TABLE}") is not None:
        return True
    return all(len(row.findall(f".//{WORD}tc")) < 2 for row in rows)


def _cells(
    row: etree._Element, table: etree._Element, above: list[str], read: Callable[[etree._Element], str]
) -> list[str]:
    """The row's cells by column; one merged with the cell above it repeats that cell's text."""
    cells: list[str] = []
    for cell in row.iter(f"{WORD}tc"):
        if _owner(cell) is not table:
            continue
        column = len(cells)
        merged = cell.find(f"{WORD}tcPr/{WORD}vMerge")
        if merged is not None and attribute(merged, "val") != "restart":
            text = above[column] if column < len(above) else ""
        else:
            text = read(cell)
        span = attribute(cell.find(f"{WORD}tcPr/{WORD}gridSpan"), "val")
        width = min(int(span), _MAX_SPAN) if span.isdecimal() else 1
        cells.extend([text, *[""] * (width - 1)])
    return cells


def _boxes(paragraph: etree._Element) -> list[etree._Element]:
    """Text boxes anchored in the paragraph, the outermost ones."""
    found: list[etree._Element] = []
    walker = etree.iterwalk(paragraph, events=("start",))
    for _, element in walker:
        if element.tag in _SKIPPED:
            walker.skip_subtree()
        elif element.tag == _BOX:
            found.append(element)
            walker.skip_subtree()
    return found


def _text(paragraph: etree._Element) -> str:
    """The visible text of a paragraph, its text boxes left out."""
    parts: list[str] = []
    walker = etree.iterwalk(paragraph, events=("start",))
    for _, element in walker:
        tag = element.tag
        if tag in _SKIPPED or tag == _BOX or (tag == f"{WORD}r" and _hidden(element)):
            walker.skip_subtree()
        elif tag in _TEXTS:
            parts.append(element.text or "")
        elif tag in _BREAKS:
            parts.append(_BREAKS[tag])
    return "".join(parts)


def _hidden(run: etree._Element) -> bool:
    vanish = run.find(f"{WORD}rPr/{WORD}vanish")
    return vanish is not None and attribute(vanish, "val") not in ("0", "false", "off")
