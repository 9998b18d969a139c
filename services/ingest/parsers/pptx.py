"""PowerPoint presentations: a page a slide, its title as the heading, the speaker's notes after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pptx as powerpoint
from lxml import etree
from pptx.exc import PythonPptxError

from services.ingest.document import DocumentType, ParsedDocument
from services.ingest.parse_error import corrupt
from services.ingest.parsers.table_rows import CellBudget, cell_text, write_table
from services.ingest.parsers.text_builder import TextBuilder
from services.ingest.parsers.zip_limits import check_office_file

# A shape's part of the file may be missing, or be of another kind than it says.
_ODD = (PythonPptxError, etree.LxmlError, KeyError, ValueError, AttributeError, TypeError, IndexError)


def parse(path: Path) -> ParsedDocument:
    """Every slide in order: title, texts, tables and charts row by row, then its notes.

    Slides count as pages from 1, empty ones included. Pictures, comments, embedded files and links are
    left alone.
    Raises ParseError: DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED, PARSE_LIMIT_EXCEEDED.
    """
    check_office_file(path, "PowerPoint")
    try:
        presentation = powerpoint.Presentation(str(path))
        slides = list(presentation.slides)
        title = presentation.core_properties.title or ""
    except _ODD as error:
        raise corrupt("PowerPoint") from error
    # What the program writes into the field when nobody filled it in.
    title = "" if title.casefold().startswith("powerpoint pr") else title
    builder, budget = TextBuilder(), CellBudget()
    for slide in slides:
        builder.page()
        builder.end_section()
        try:
            _read_slide(slide, builder, budget)
        except _ODD as error:
            raise corrupt("PowerPoint") from error
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
            rows = ([cell_text(cell.text) for cell in row.cells] for row in shape.table.rows)
            write_table(builder, rows, budget)
        elif getattr(shape, "has_chart", False):
            _read_chart(shape, builder, budget)
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
