"""PowerPoint presentations: a page a slide, its title as the heading, the speaker's notes after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pptx as powerpoint
from lxml import etree
from pptx.exc import PythonPptxError

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.alt_text import alt_text
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.table_rows import CellBudget, cell_text, write_table
from services.ingest.parsers.text_builder import TextBuilder
from services.ingest.parsers.xml_faults import xml_fault
from services.ingest.parsers.zip_limits import check_office_file

# A shape's part of the file may be missing, or be of another kind than it says.
_ODD = (PythonPptxError, etree.LxmlError, KeyError, ValueError, AttributeError, TypeError, IndexError)


def parse(path: Path, limits: ParseLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """Every slide in order: title, texts, tables and charts row by row, then its notes.

    Slides count as pages from 1, empty ones included. Of pictures the author's description is kept.
    Comments, embedded files and links are left alone.
    Raises ParseError: DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED, PARSE_LIMIT_EXCEEDED.
    """
    check_office_file(path, "PowerPoint", limits)
    try:
        presentation = powerpoint.Presentation(str(path))
        slides = list(presentation.slides)
        title = presentation.core_properties.title or ""
    except _ODD as error:
        raise xml_fault(error, "PowerPoint") from error
    # What the program writes into the field when nobody filled it in.
    title = "" if title.casefold().startswith("powerpoint pr") else title
    builder, budget = TextBuilder(limits), CellBudget()
    for slide in slides:
        builder.page()
        builder.end_section()
        try:
            _read_slide(slide, builder, budget)
        except _ODD as error:
            raise xml_fault(error, "PowerPoint") from error
    return builder.build(DocumentType.PPTX, title)


def _read_slide(slide: Any, builder: TextBuilder, budget: CellBudget) -> None:
    title = slide.shapes.title
    if title is not None:
        builder.heading(1, title.text_frame.text)
    for shape in _flat(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_text_frame", False):
            _read_texts(shape.text_frame, builder)
        elif getattr(shape, "has_table", False):
            write_table(builder, _table_rows(shape.table), budget)
        elif getattr(shape, "has_chart", False):
            _read_chart(shape, builder, budget)
        else:
            builder.paragraph(alt_text(_description(shape)))
    if slide.has_notes_slide:
        notes = slide.notes_slide.notes_text_frame
        builder.paragraph(notes.text if notes is not None else "")


def _flat(shapes: Iterable[Any]) -> Iterator[Any]:
    """The shapes in order, those in groups included."""
    waiting = list(shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        # Charts and tables have no `shapes`; groups do.
        inner = getattr(shape, "shapes", None)
        if inner is None:
            yield shape
        else:
            waiting.extend(list(inner)[::-1])


def _description(shape: Any) -> str:
    """What the author wrote about a picture."""
    return str(shape._element.xpath("string(./*[1]/p:cNvPr/@descr)"))


def _table_rows(table: Any) -> Iterator[list[str]]:
    """The cells row by row; one merged with the cell above it repeats that cell's text."""
    above: list[str] = []
    for row in table.rows:
        cells = [
            # A cell merged to the right is blank.
            above[column] if cell._tc.vMerge and column < len(above) else cell_text(cell.text)
            for column, cell in enumerate(row.cells)
        ]
        above = cells
        yield cells


def _read_texts(frame: Any, builder: TextBuilder) -> None:
    paragraphs = [paragraph for paragraph in frame.paragraphs if paragraph.text.strip()]
    for paragraph in paragraphs:
        if len(paragraphs) > 1 or paragraph.level:
            builder.item(paragraph.text, paragraph.level)
        else:
            builder.paragraph(paragraph.text)


def _read_chart(shape: Any, builder: TextBuilder, budget: CellBudget) -> None:
    """The numbers a chart shows, a row a category; a chart of an odd kind gives its title alone."""
    try:
        chart = shape.chart
        if chart.has_title and chart.chart_title.has_text_frame:
            builder.paragraph(chart.chart_title.text_frame.text)
        for plot in chart.plots:
            names = [cell_text(str(category)) for category in plot.categories]
            series = [(cell_text(str(line.name or "")), list(line.values)) for line in plot.series]
            rows = [["Category", *(name for name, _ in series)]]
            for index, name in enumerate(names):
                values = (line[index] if index < len(line) else None for _, line in series)
                rows.append([name, *("" if value is None else f"{value:g}" for value in values)])
            write_table(builder, rows, budget)
    except _ODD:
        return
