"""The raw text of a PDF's pages: PDFium reads it; pypdf is asked where PDFium fails.

Whoever adds text recognition (OCR) for pages without a text layer asks it after these two, in `read_pages`.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import closing
from functools import cached_property
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium_c
from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, WrongPasswordError

from services.ingest.parsers.errors import corrupt, encrypted
from services.ingest.parsers.pdf import right_to_left

_SECOND_OPINION_PAGES = 10
"""Files of up to this many pages, none with text, are read again by pypdf, at some 20 pages a second."""
_SAMPLED_CHARACTERS = 9
"""Characters of a page whose direction is asked."""


def read_pages(document: pypdfium2.PdfDocument, path: Path, password: str) -> list[str]:
    """The text of every page, empty where there is none; `path` is where `document` was opened.

    Raises ParseError DOCUMENT_CORRUPT when no page can be read.
    """
    second = _SecondReader(path, password)
    pages: list[str] = []
    failed = 0
    for index in range(len(document)):
        text = _page_text(document, index)
        if text is None:
            text = second.page_text(index)
        failed += text is None
        pages.append(text or "")
    if failed == len(pages):
        raise corrupt("PDF")
    if len(pages) <= _SECOND_OPINION_PAGES and not any(page.strip() for page in pages):
        # A scan, or a short file so odd that PDFium sees nothing in it.
        pages = [second.page_text(index) or "" for index in range(len(pages))]
    return pages


def read_by_pypdf(path: Path, password: str) -> tuple[list[str], str]:
    """The text of every page and the raw title of a file that PDFium cannot open at all.

    Raises ParseError DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED.
    """
    second = _SecondReader(path, password)
    try:
        count = len(second.reader.pages)
        information = second.reader.metadata
        title = str(information.title or "") if information is not None else ""
    except (FileNotDecryptedError, WrongPasswordError) as error:
        raise encrypted(password_given=bool(password)) from error
    except MemoryError:
        raise
    except Exception as error:  # see _SecondReader.reader
        raise corrupt("PDF") from error
    pages = [second.page_text(index) for index in range(count)]
    if all(page is None for page in pages):
        raise corrupt("PDF")
    return [page or "" for page in pages], title


def _page_text(document: pypdfium2.PdfDocument, index: int) -> str | None:
    """PDFium's text of a page, None where it fails."""
    try:
        # Closed at once: PDFium keeps what it parsed of a page until then.
        with closing(document[index]) as page:
            with closing(page.get_textpage()) as text_page:
                turn = _turn(page, text_page)
                if turn is None:
                    return _text(text_page)
            page.set_rotation(turn)
            with closing(page.get_textpage()) as text_page:
                return _text(text_page)
    except (pypdfium2.PdfiumError, AssertionError):
        return None


def _text(text_page: pypdfium2.PdfTextPage) -> str:
    return right_to_left.mend(str(text_page.get_text_range()), text_page)


def _turn(page: pypdfium2.PdfPage, text_page: pypdfium2.PdfTextPage) -> int | None:
    """The rotation to read the page by, in degrees clockwise; None where its own will do.

    Where text runs down the page as it is shown, PDFium reads the last line first. Few pages are like that:
    sheets that were scanned or printed sideways. A few characters tell how most of the text runs.
    """
    count = text_page.count_chars()
    angles = Counter(
        round(math.degrees(pdfium_c.FPDFText_GetCharAngle(text_page, index))) % 360
        for index in range(0, count, max(1, count // _SAMPLED_CHARACTERS))
    )
    if not angles:
        return None
    angle = angles.most_common(1)[0][0]
    runs_down = (angle + page.get_rotation()) % 360 == 90
    return -angle % 360 if runs_down and angle % 90 == 0 else None


class _SecondReader:
    """pypdf, opened when it is first needed."""

    def __init__(self, path: Path, password: str) -> None:
        self._path = path
        self._password = password

    @cached_property
    def reader(self) -> PdfReader:
        """The opened file. Raises whatever pypdf raises, which on damaged files is nearly anything."""
        return PdfReader(self._path, password=self._password or None)

    def page_text(self, index: int) -> str | None:
        """The text pypdf finds on a page, None where it fails too."""
        try:
            return str(self.reader.pages[index].extract_text())
        except MemoryError:
            raise
        except Exception:  # see `reader`
            return None
