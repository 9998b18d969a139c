"""PowerPoint presentations: slides as pages."""

from __future__ import annotations

from pathlib import Path

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from services.ingest.model import DocumentType, PageStart
from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.pptx import parse

BOX = (Inches(1), Inches(2), Inches(4), Inches(2))


def test_slides_are_pages_with_titles_tables_and_notes(tmp_path: Path) -> None:
    """Notes come after the slide's own text; an untitled slide has no heading of the one before."""
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Plan"
    first.placeholders[1].text = "Build\nTest"
    first.notes_slide.notes_text_frame.text = "Speak slowly."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    table = second.shapes.add_table(2, 2, *BOX).table
    for column, (name, value) in enumerate((("Team", "Blue"), ("Lead", "Ann"))):
        table.cell(0, column).text, table.cell(1, column).text = name, value
    path = tmp_path / "upload"
    deck.save(str(path))
    parsed = parse(path)
    assert parsed.text == "Plan\n\n- Build\n- Test\n\nSpeak slowly.\n\nTeam: Blue | Lead: Ann"
    assert parsed.type == DocumentType.PPTX
    assert parsed.pages == (PageStart(1, 0), PageStart(2, parsed.text.index("Team")))
    sections = [(s.char_start, s.headings) for s in parsed.sections]
    assert sections[0] == (0, ("Plan",))
    assert sections[-1][1] == ()


def test_charts_give_their_numbers_row_by_row(tmp_path: Path) -> None:
    """A row a category, each series by its name; grouped shapes are read too."""
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Sales", (19.5, 21))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *BOX, data)
    slide.shapes.add_group_shape().shapes.add_textbox(*BOX).text_frame.text = "In a group."
    path = tmp_path / "upload"
    deck.save(str(path))
    text = parse(path).text
    assert "Category: East | Sales: 19.5\n\nCategory: West | Sales: 21" in text
    assert "In a group." in text


@pytest.mark.parametrize("kept", [4, 100, 2000, 0.5, 0.99])
def test_truncated_files_are_corrupt(kept: float, tmp_path: Path) -> None:
    """At any length."""
    path = tmp_path / "upload"
    pptx.Presentation().save(str(path))
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(ParseError) as caught:
        parse(path)
    assert caught.value.reason == "DOCUMENT_CORRUPT"


def test_a_cell_merged_downwards_repeats_its_text(tmp_path: Path) -> None:
    """Every row says what it belongs to."""
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    table = slide.shapes.add_table(3, 2, 0, 0, 100, 100).table
    for row, values in enumerate((("Plant", "Gauge"), ("North", "N1"), ("", "N2"))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0))
    path = tmp_path / "upload"
    presentation.save(str(path))
    assert parse(path).text == "Plant: North | Gauge: N1\n\nPlant: North | Gauge: N2"
