"""The title of a PDF that does not tell it: what its first page says in the largest type.

That is right for reports, papers and forms alike, far more often than the field nobody filled in (Beel, Gipp,
Shaker and Friedrich, "SciPlore Xtract: Extracting Titles from Scientific PDF Documents by Analyzing Style
Information (Font Size)", ECDL 2010). In doubt there is none: every passage is found by its document's title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import dropwhile, islice, takewhile

import pypdfium2
import pypdfium2.raw as pdfium_c

_MAX_PAGE_LINES = 80
"""Lines of a page that are looked at."""
_MAX_TITLE_LINES = 3
_MAX_TITLE_CHARACTERS = 150
_LEAST_LETTERS = 3
_COVER_CHARACTERS = 500
"""A first page with less is a cover: how large most of the text is set, the next page tells."""
_LEAST_RATIO = 1.2
"""How much larger than most of the text a title is set; section headings are often larger by a tenth."""
_SAME_SIZE = 0.95
"""Lines of this share of the largest size are of the same size: boxes differ a little from font to font."""

# A section, or the list of them.
_HEADING = re.compile(r"\d{1,2}(?:\.\d+)*\.?\s|(?:table of )?contents\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    """Height of its type, in points."""


def largest_type(document: pypdfium2.PdfDocument) -> str:
    """The words set in the largest type on the first page; empty when they do not look like a title."""
    lines = list(_lines(document, 0))
    largest = max((line.size for line in lines), default=0.0)
    measured = lines
    if len(document) > 1 and sum(len(line.text) for line in lines) < _COVER_CHARACTERS:
        measured = [*lines, *_lines(document, 1)]
    body = _median(measured)
    if largest < _LEAST_RATIO * body:
        return ""

    def is_large(line: _Line) -> bool:
        return line.size >= _SAME_SIZE * largest

    title = list(takewhile(is_large, dropwhile(lambda line: not is_large(line), lines)))
    text = " ".join(line.text for line in title)
    if len(title) > _MAX_TITLE_LINES or len(text) > _MAX_TITLE_CHARACTERS or _HEADING.match(text):
        return ""
    return text


def _lines(document: pypdfium2.PdfDocument, index: int) -> Iterator[_Line]:
    """The upright lines of a page that have words, with their sizes; none where PDFium fails."""
    try:
        with closing(document[index]) as page, closing(page.get_textpage()) as text_page:
            position = 0
            for raw in islice(str(text_page.get_text_range()).splitlines(keepends=True), _MAX_PAGE_LINES):
                text = raw.strip()
                if sum(map(str.isalpha, text)) >= _LEAST_LETTERS:
                    start = position + raw.index(text)
                    # Its ends and its middle: small capitals and footnote marks are smaller than the line.
                    sizes = [_size(text_page, start + place) for place in (0, len(text) // 2, len(text) - 1)]
                    if size := max(sizes):
                        yield _Line(text, size)
                position += len(raw)
    except (pypdfium2.PdfiumError, AssertionError):
        return


def _size(page: pypdfium2.PdfTextPage, text_index: int) -> float:
    """The height of a character's type; 0 when it does not stand upright, or is unknown."""
    index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(page, text_index)
    if index < 0 or abs(pdfium_c.FPDFText_GetCharAngle(page, index)) > 0.01:
        return 0.0
    box = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFText_GetLooseCharBox(page, index, box):
        return 0.0
    return float(box.top - box.bottom)


def _median(lines: Sequence[_Line]) -> float:
    """The size of most text: each line counts by its length. 0 when there is none."""
    half = sum(len(line.text) for line in lines) / 2
    for line in sorted(lines, key=lambda line: line.size):
        half -= len(line.text)
        if half <= 0:
            return line.size
    return 0.0
