"""Arabic and Hebrew as PDFium reads them, put right where it goes wrong."""

from __future__ import annotations

import ctypes
import re

import pypdfium2
import pypdfium2.raw as pdfium_c

_LETTER = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_ANY_LETTER = re.compile(f"[{_LETTER}]")
_LETTERS = re.compile(f"[{_LETTER}]{{2,}}")
_LOST_BLANK = re.compile(f"(?<=[A-Za-z0-9])(?=[{_LETTER}])")


def mend(text: str, page: pypdfium2.PdfTextPage) -> str:
    """`text`, all that PDFium read on `page`, with right-to-left letters in their order.

    PDFium reverses what it finds from left to right, the letters that one glyph stands for as well: the
    ligature of lam and alef, which hardly a sentence of Arabic goes without, comes out as alef and lam. Such
    letters have one and the same place on the page, so they can be told and turned round. And it forgets the
    blank between a Latin word and the right-to-left one that follows.
    """
    if not _ANY_LETTER.search(text):
        return text
    turned = _LETTERS.sub(lambda match: _turned(match.group(), match.start(), page), text)
    return _LOST_BLANK.sub(" ", turned)


def _turned(letters: str, start: int, page: pypdfium2.PdfTextPage) -> str:
    first: int = pdfium_c.FPDFText_GetCharIndexFromTextIndex(page, start)
    codes = [pdfium_c.FPDFText_GetUnicode(page, first + index) for index in range(len(letters))]
    if first < 0 or codes != [ord(letter) for letter in letters]:
        # A character beyond the basic plane somewhere before makes PDFium's count another than ours.
        return letters
    groups: list[str] = []
    previous: tuple[float, ...] | None = None
    for index, letter in enumerate(letters):
        place = _place(page, first + index)
        if place is not None and place == previous:
            groups[-1] = letter + groups[-1]
        else:
            groups.append(letter)
        previous = place
    return "".join(groups)


def _place(page: pypdfium2.PdfTextPage, index: int) -> tuple[float, ...] | None:
    """The box around a character's glyph, None where it has none."""
    box = [ctypes.c_double() for _ in range(4)]
    if not pdfium_c.FPDFText_GetCharBox(page, index, *box):
        return None
    return tuple(side.value for side in box)
