"""The title of a PDF that does not tell it: the largest type on its first page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from fpdf import FPDF

from services.ingest.parsers import pdf

Line = tuple[float, str]
"""Points, and words."""

BODY: list[Line] = [(11, "The quarter was quiet, and the ferries ran on time in nearly any weather.")] * 20


def make(path: Path, *pages: Sequence[Line], title: str = "", angle: float = 0) -> Path:
    """Writes a PDF, each page's lines from top to bottom."""
    document = FPDF()
    document.set_title(title)
    for lines in pages:
        document.add_page()
        with document.rotation(angle, 100, 150):
            top = 20.0
            for size, words in lines:
                document.set_font("Helvetica", size=size)
                document.text(15, top, words)
                top += size / 2 + 1
    path.write_bytes(bytes(document.output()))
    return path


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ([(11, "FORM 7"), (24, "Harwick Ferry Company"), *BODY], "Harwick Ferry Company"),
        (
            [(20, "Harwick Ferry Company"), (20, "and Subsidiaries"), *BODY],
            "Harwick Ferry Company and Subsidiaries",
        ),
        ([(14, "Annual return"), (24, "7"), *BODY], "Annual return"),
        (BODY, ""),
        ([(12, "Hardly larger"), *BODY], ""),
        ([(20, "1 Introduction"), *BODY], ""),
        ([(20, "Contents"), *BODY], ""),
        (
            [
                (20, "A slogan that goes on"),
                (20, "and on,"),
                (20, "line by line,"),
                (20, "is no title"),
                *BODY,
            ],
            "",
        ),
        ([(24, "0000012927-23-000007 A"), *BODY], ""),
    ],
)
def test_what_stands_out_on_the_first_page_is_the_title(
    tmp_path: Path, page: list[Line], expected: str
) -> None:
    """One to three lines in a row, clearly larger than the text; no numbers, no section, no contents."""
    assert pdf.parse(make(tmp_path / "a.pdf", page)).title == expected


def test_a_cover_is_measured_by_the_page_behind_it(tmp_path: Path) -> None:
    """Alone it has nothing but large type."""
    cover: list[Line] = [(30, "Winter Timetable"), (30, "of the Harwick Ferry")]
    assert pdf.parse(make(tmp_path / "a.pdf", cover)).title == ""
    assert pdf.parse(make(tmp_path / "b.pdf", cover, BODY)).title == "Winter Timetable of the Harwick Ferry"


def test_a_title_somebody_wrote_goes_first(tmp_path: Path) -> None:
    """The page is for want of a better one."""
    page: list[Line] = [(24, "Harwick Ferry Company"), *BODY]
    assert pdf.parse(make(tmp_path / "a.pdf", page, title="Annual report")).title == "Annual report"
    assert pdf.parse(make(tmp_path / "b.pdf", page, title="untitled")).title == "Harwick Ferry Company"


def test_type_that_does_not_stand_upright_is_no_title(tmp_path: Path) -> None:
    """Such as a stamp across the page."""
    assert pdf.parse(make(tmp_path / "a.pdf", [(24, "DRAFT"), *BODY], angle=45)).title == ""
