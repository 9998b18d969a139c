"""Right-to-left text in PDFs, drawn from left to right as programs draw it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pdf_generated import glyphs_from_left_to_right
from services.ingest.parsers import pdf

LAM_ALEF = "\u0644\u0627"


def draw(path: Path, glyphs: list[str]) -> Path:
    """Writes a page with one line of `glyphs` from left to right, each standing for the text given."""
    path.write_bytes(glyphs_from_left_to_right(glyphs))
    return path


@pytest.mark.parametrize(
    ("glyphs", "expected"),
    [
        # Hebrew: peace, world
        (list("םלוע םולש"), "שלום עולם"),
        # Arabic: one glyph of two letters inside a word
        (["\u0629", "\u0644\u0625", "\u0627"], "\u0627\u0644\u0625\u0629"),
        ([*"ك", LAM_ALEF, *"م"], "م" + LAM_ALEF + "ك"),
        # The article, alef and lam, is two glyphs: not to be turned round.
        (list("باتكلا"), "الكتاب"),
        # A word of three letters in one glyph
        (["حبي", " ", "ب"], "ب حبي"),
    ],
)
def test_letters_come_in_reading_order(tmp_path: Path, glyphs: list[str], expected: str) -> None:
    """Ligatures of several letters too, which PDFium turns round."""
    assert pdf.parse(draw(tmp_path / "a.pdf", glyphs)).text == expected


def test_a_latin_word_does_not_grow_together_with_the_next_one(tmp_path: Path) -> None:
    """PDFium forgets the blank after it, and some programs draw none."""
    glyphs = [*"שי", *"Python", *" הפש"]
    text = pdf.parse(draw(tmp_path / "a.pdf", glyphs)).text
    assert "Python" in text.split()
    assert text.split().count("שפה") == 1
