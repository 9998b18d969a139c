"""PDF: text, pages, title and outline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium_c

from services.ingest.model import DocumentType, PageStart, ParsedDocument
from services.ingest.parsers.errors import ParseError, encrypted
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.pdf.hyphenation import join_divided_words
from services.ingest.parsers.pdf.outline import OutlineEntry, place_outline, read_outline
from services.ingest.parsers.pdf.pages import read_by_pypdf, read_pages
from services.ingest.parsers.pdf.running_lines import drop_running_lines
from services.ingest.parsers.pdf.title import largest_type
from services.ingest.text.normalisation import clean, one_line

# What programs write into the title field when nobody filled it in.
_NO_TITLE = re.compile(
    r"(?:untitled.*|microsoft word - .*\.docx?|[\W\d_]*|.*\.(?:pdf|docx?|indd|tex))\Z", re.IGNORECASE
)
_SENTENCE_ENDS = (".", "!", "?", "…", ":", "。", "！", "？", "؟", "।", '"', "”")


def parse(path: Path, password: str = "", limits: ParseLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """The text of every page, each page's place kept; the title.

    The title is that of the document information, else what the first page says in the largest type.
    Running heads and page numbers are left out; the outline, where there is one, makes the sections. A
    document some pages of which have no text (scans) is what the others say.

    `password` opens an encrypted file; empty when there is none.
    Raises ParseError: DOCUMENT_ENCRYPTED, DOCUMENT_CORRUPT, NO_TEXT, PARSE_LIMIT_EXCEEDED (`pages`).
    """
    outline: list[OutlineEntry] = []
    try:
        document = pypdfium2.PdfDocument(path, password=password or None)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY)
        if locked and not password:
            raise encrypted(password_given=False) from error
        # Pypdf mends other damage, and normalises passwords as ISO 32000-2 asks (SASLprep).
        raw, title = read_by_pypdf(path, password)
    else:
        with closing(document):
            limits.check_pages(len(document))
            raw = read_pages(document, path, password)
            title = _usable_title(document.get_metadata_value("Title")) or largest_type(document)
            outline = read_outline(document)
    return _document(raw, title, outline)


def parse_by_pypdf(path: Path, password: str = "") -> ParsedDocument:
    """What `parse` returns, without PDFium and the outline: slower, and no native code that could crash."""
    raw, title = read_by_pypdf(path, password)
    return _document(raw, title, [])


def _document(raw: list[str], title: str, outline: Sequence[OutlineEntry]) -> ParsedDocument:
    pages = drop_running_lines([clean(page) for page in join_divided_words(raw)])
    text, starts = _join_pages(pages)
    if not text or text.isspace():
        raise _no_text(len(pages))
    return ParsedDocument(
        DocumentType.PDF,
        text,
        title=_usable_title(title),
        pages=starts,
        sections=place_outline(outline, text, starts),
    )


def _no_text(page_count: int) -> ParseError:
    pages = "1" if page_count == 1 else f"1-{page_count}"
    where = "Page 1 holds" if page_count == 1 else f"Pages {pages} hold"
    return ParseError(
        "NO_TEXT",
        f"{where} no text, only images perhaps. Run text recognition (OCR) on the document and upload the "
        "result.",
        {"page_count": str(page_count), "pages_without_text": pages},
    )


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
