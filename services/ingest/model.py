"""What a document is inside this service: its type, its text, and where pages and sections begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class DocumentType(StrEnum):
    """The kinds of file this service reads. The values are the short names used in messages."""

    PDF = "pdf"
    MARKDOWN = "markdown"
    HTML = "html"
    TEXT = "text"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    EPUB = "epub"


SUPPORTED_TYPES = ", ".join(DocumentType)
"""All types, for people."""

HeadingPath = tuple[str, ...]
"""Headings above a place, outermost first."""


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins in the normalised text."""

    page: int
    """1-based."""
    char_start: int
    """0-based code point; an empty page begins where the next one does."""


@dataclass(frozen=True, slots=True)
class Section:
    """Where text under a new heading path begins; it reaches to the next section."""

    char_start: int
    """0-based code point: the first character of the heading's own line."""
    headings: HeadingPath
    """The path, this section's own heading last; empty before the first heading."""


class Span(NamedTuple):
    """text[start:end], 0-based code points."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What every parser makes of a file.

    `text` is normalised (see `normalisation.clean`); every offset counts its code points.
    """

    type: DocumentType
    text: str
    title: str = ""
    """The document's own title; empty when it has none."""
    pages: Sequence[PageStart] = field(default_factory=tuple)
    """Every page, ascending; empty where the format has none."""
    sections: Sequence[Section] = field(default_factory=tuple)
    """Ascending; text before the first one has no headings."""
    unbroken: Sequence[Span] = field(default_factory=tuple)
    """What stays in one chunk where it fits (blocks of code); ascending, without overlap."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document's text: text[char_start:char_end], at most the chunk size, never blank."""

    ordinal: int
    """0-based, in the order of the text."""
    char_start: int
    char_end: int
    byte_start: int
    """The same span in UTF-8 bytes."""
    byte_end: int
    first_page: int
    """1-based, inclusive; 0 where the format has no pages."""
    last_page: int
    page_starts: tuple[PageStart, ...]
    """Pages that begin inside the span, its first character included."""
    headings: HeadingPath
