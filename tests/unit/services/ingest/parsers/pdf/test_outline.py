"""PDF outlines as heading paths."""

from __future__ import annotations

import time
from pathlib import Path

import pypdfium2
import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, NullObject

from services.ingest.model import PageStart, ParsedDocument
from services.ingest.parsers import pdf
from services.ingest.parsers.pdf.outline import OutlineEntry, place_outline, read_outline

PAGES = [
    "A Book\nContents\nFirst Steps 2",
    "1.  FIRST   STEPS\nWe begin here.\n1.1 Going\nOn and on.",
    "Going well.\nThe Second\nChapter\nMore text.",
]


def write(path: Path, pages: list[str] = PAGES) -> PdfWriter:
    document = FPDF()
    document.set_font("Helvetica", size=11)
    for text in pages:
        document.add_page()
        document.multi_cell(0, 6, text)
    path.write_bytes(bytes(document.output()))
    return PdfWriter(clone_from=PdfReader(path))


def parse(path: Path, writer: PdfWriter) -> ParsedDocument:
    writer.write(path)
    return pdf.parse(path)


def shown(parsed: ParsedDocument) -> list[tuple[str, tuple[str, ...]]]:
    """Each section's first line and path."""
    return [(parsed.text[s.char_start :].partition("\n")[0], tuple(s.headings)) for s in parsed.sections]


def test_entries_begin_at_their_titles(tmp_path: Path) -> None:
    """Whatever the case, the blanks, the numbering, and line ends inside of them."""
    writer = write(tmp_path / "a.pdf")
    first = writer.add_outline_item(title="First Steps", page_number=1)
    writer.add_outline_item(title="Going", page_number=1, parent=first)
    writer.add_outline_item(title="The second chapter", page_number=2)
    assert shown(parse(tmp_path / "a.pdf", writer)) == [
        ("1. FIRST STEPS", ("First Steps",)),
        ("1.1 Going", ("First Steps", "Going")),
        ("The Second", ("The second chapter",)),
    ]


def test_an_entry_that_is_not_on_its_page_begins_with_it(tmp_path: Path) -> None:
    """A path may go deeper there; a second one begins nobody knows where."""
    writer = write(tmp_path / "a.pdf")
    part = writer.add_outline_item(title="Part One", page_number=1)
    chapter = writer.add_outline_item(title="Opening", page_number=1, parent=part)
    writer.add_outline_item(title="Somewhere below", page_number=1, parent=part)
    writer.add_outline_item(title="Going", page_number=1, parent=chapter)
    assert shown(parse(tmp_path / "a.pdf", writer)) == [
        ("1. FIRST STEPS", ("Part One", "Opening")),
        ("1.1 Going", ("Part One", "Opening", "Going")),
    ]


def test_entries_that_lead_nowhere_still_hold_others(tmp_path: Path) -> None:
    """Parts without a page, and links to the web."""
    writer = write(tmp_path / "a.pdf")
    part = writer.add_outline_item(title="Part", page_number=None)
    writer.add_outline_item(title="First steps", page_number=1, parent=part)
    assert shown(parse(tmp_path / "a.pdf", writer)) == [("1. FIRST STEPS", ("Part", "First steps"))]


def test_no_outline_no_headings(tmp_path: Path) -> None:
    """None are invented."""
    assert parse(tmp_path / "a.pdf", write(tmp_path / "a.pdf")).sections == ()


def test_cycles_and_damage_do_no_harm(tmp_path: Path) -> None:
    """An entry that is its own child and its own next, and one without a title."""
    writer = write(tmp_path / "a.pdf")
    first = writer.add_outline_item(title="First Steps", page_number=1).get_object()
    second = writer.add_outline_item(title="Going", page_number=1).get_object()
    first[NameObject("/First")] = first.indirect_reference
    second[NameObject("/Next")] = first.indirect_reference
    second[NameObject("/Title")] = NullObject()
    assert shown(parse(tmp_path / "a.pdf", writer)) == [("1. FIRST STEPS", ("First Steps",))]


def test_depth_and_number_are_bounded(tmp_path: Path) -> None:
    """Eight levels, five thousand entries, in reasonable time."""
    writer = write(tmp_path / "a.pdf")
    parent = None
    for level in range(30):
        parent = writer.add_outline_item(title=f"Level {level}", page_number=0, parent=parent)
    writer.write(tmp_path / "a.pdf")
    with pypdfium2.PdfDocument(tmp_path / "a.pdf") as document:
        assert max(entry.level for entry in read_outline(document)) == 8
    text = "\n".join(f"line {index}" for index in range(20_000))
    entries = [OutlineEntry(1, f"Line {index}x", 0) for index in range(5_000)]
    begin = time.process_time()
    assert len(place_outline(entries, text, [PageStart(1, 0)])) == 1
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    ("title", "text", "line"),
    [
        ("1.2 Metric Spaces", "7 1.2. METRIC SPACES\nbefore\n1.2 Metric Spaces\nafter", 2),
        ("Results of the year", "x\nResults of the year were good.", 1),
        ("A", "All of it\nA\nB", 1),
        ("Gains", "Our gains\nwere large", 0),
        ("2023", "In\n2023\n2024", 1),
        ("***", "one\ntwo", 0),
    ],
)
def test_the_line_chosen(title: str, text: str, line: int) -> None:
    """The heading rather than a running head or a sentence; else the page's first line."""
    (section,) = place_outline([OutlineEntry(1, title, 0)], text, [PageStart(1, 0)])
    assert text[: section.char_start].count("\n") == line


def test_sections_ascend_whatever_the_order_of_entries() -> None:
    """Outlines may jump back; repeated titles are taken one after the other."""
    text = "Notes\na\nNotes\nb\nStart\nc"
    entries = [OutlineEntry(1, title, 0) for title in ("Start", "Notes", "Notes")]
    places = [section.char_start for section in place_outline(entries, text, [PageStart(1, 0)])]
    assert places == [0, 8, 16]
