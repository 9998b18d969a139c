"""PDF: PDFium reads the text page by page; pypdf is asked where PDFium fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium_c
from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, WrongPasswordError

from services.ingest.document import DocumentType, PageStart, ParsedDocument
from services.ingest.normalisation import clean, one_line
from services.ingest.parse_error import corrupt, encrypted
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS
from services.ingest.parsers.hyphenation import join_divided_words

# What programs write into the title field when nobody filled it in.
_NO_TITLE = re.compile(
    r"(?:untitled.*|microsoft word - .*\.docx?|[\W\d_]*|.*\.(?:pdf|docx?|indd|tex))\Z", re.IGNORECASE
)
_SECOND_OPINION_PAGES = 10
"""Files of up to this many pages, none with text, are read again by pypdf, at some 20 pages a second."""

_SENTENCE_ENDS = (".", "!", "?", "…", ":", "。", "！", "？", "؟", "।", '"', "”")


def parse(path: Path, password: str = "") -> ParsedDocument:
    """The text of every page, each page's place kept; the title from the document information.

    `password` opens an encrypted file; empty when there is none.
    Raises ParseError: DOCUMENT_ENCRYPTED, DOCUMENT_CORRUPT.
    """
    try:
        document = pypdfium2.PdfDocument(path, password=password or None)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY)
        if locked and not password:
            raise encrypted(password_given=False) from error
        # Pypdf mends other damage, and normalises passwords as ISO 32000-2 asks (SASLprep).
        pages, title = _read_by_pypdf(path, password)
    else:
        with closing(document):
            pages, title = _read_by_pdfium(document, path, password)
    text, starts = _join_pages([clean(page) for page in join_divided_words(pages)])
    return ParsedDocument(DocumentType.PDF, text, title=_usable_title(title), pages=starts)


def _read_by_pdfium(document: pypdfium2.PdfDocument, path: Path, password: str) -> tuple[list[str], str]:
    """The raw text of every page, and the raw title."""
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
    return pages, document.get_metadata_value("Title")


def _page_text(document: pypdfium2.PdfDocument, index: int) -> str | None:
    """PDFium's text of a page, None where it fails."""
    try:
        # Closed at once: PDFium keeps what it parsed of a page until then.
        with closing(document[index]) as page, closing(page.get_textpage()) as text_page:
            return str(text_page.get_text_range())
    except (pypdfium2.PdfiumError, AssertionError):
        return None


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


def _read_by_pypdf(path: Path, password: str) -> tuple[list[str], str]:
    """What pypdf makes of a file that PDFium cannot open at all."""
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


def _join_pages(pages: Sequence[str]) -> tuple[str, tuple[PageStart, ...]]:
    """The pages as one text, and where each begins. Empty pages begin where the next one does."""
    parts: list[str] = []
    starts: list[PageStart] = []
    length = 0
    previous = ""
    for index, page in enumerate(pages):
        if page and previous:
            # A sentence that runs on over the page's end is not torn by a blank line.
            gap = "\n\n" if previous.endswith(_SENTENCE_ENDS) else "\n"
            parts.append(gap)
            length += len(gap)
        if page:
            # The empty pages before this one, and this one.
            starts.extend(PageStart(number, length) for number in range(len(starts) + 1, index + 2))
            parts.append(page)
            length += len(page)
            previous = page
    starts.extend(PageStart(number, length) for number in range(len(starts) + 1, len(pages) + 1))
    return "".join(parts), tuple(starts)


def _usable_title(raw: str) -> str:
    title = one_line(raw, MAX_TITLE_CHARACTERS)
    return "" if _NO_TITLE.match(title) else title
