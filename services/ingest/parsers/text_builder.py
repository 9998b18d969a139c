"""Puts a document's text together from blocks, noting where pages and sections begin."""

from __future__ import annotations

from enum import Enum

from services.ingest.model import DocumentType, PageStart, ParsedDocument, Section
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS, HeadingTrail
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.text.normalisation import clean, one_line


class _Kind(Enum):
    PARAGRAPH = "paragraph"
    HEADING = "heading"
    ITEM = "item"
    ROW = "row"


_CLOSE = frozenset({_Kind.ITEM, _Kind.ROW})


class TextBuilder:
    """Collects blocks in reading order. Blank blocks are left out; offsets count normalised text."""

    def __init__(self, limits: ParseLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._previous: _Kind | None = None
        self._pages: list[PageStart] = []
        self._page_count = 0
        self._sections: list[Section] = []
        self._trail = HeadingTrail()
        self.first_heading = ""
        """The first heading of level 1; empty until there is one."""

    def page(self) -> None:
        """Begins the next page, counted from 1, where the next block does. Raises ParseError."""
        self._page_count += 1
        self._limits.check_pages(self._page_count)

    def heading(self, level: int, text: str) -> None:
        """A heading of `level` (1 is outermost), on a line of its own."""
        start = self._add(_Kind.HEADING, " ".join(text.split()))
        if start is None:
            return
        self._sections.append(Section(start, self._trail.enter(level, text)))
        if level == 1 and not self.first_heading:
            self.first_heading = text

    def end_section(self) -> None:
        """What follows stands under no heading."""
        self._trail = HeadingTrail()
        if self._sections and self._sections[-1].headings:
            self._sections.append(Section(self._length, ()))

    def paragraph(self, text: str) -> None:
        """A paragraph; its line ends are kept."""
        self._add(_Kind.PARAGRAPH, text)

    def item(self, text: str, depth: int = 0, marker: str = "-") -> None:
        """A list item, `depth` 0 outermost, after its bullet or number."""
        if text and not text.isspace():
            self._add(_Kind.ITEM, f"{'  ' * min(depth, 8)}{marker} {' '.join(text.split())}")

    def row(self, text: str) -> None:
        """A table row that means little without its neighbours: the next one follows on the next line."""
        self._add(_Kind.ROW, text)

    def record(self, text: str) -> None:
        """A table row that names its columns. A paragraph, so that a cut falls between rows."""
        self._add(_Kind.PARAGRAPH, text)

    def build(self, kind: DocumentType, title: str = "") -> ParsedDocument:
        """The document; `title` empty takes the first heading of level 1."""
        self._begin_pages(self._length)
        # A section that nothing was added to begins nowhere.
        sections = [section for section in self._sections if section.char_start < self._length]
        return ParsedDocument(
            kind,
            "".join(self._parts),
            title=one_line(title or self.first_heading, MAX_TITLE_CHARACTERS),
            pages=tuple(self._pages),
            sections=tuple(sections),
        )

    def _add(self, kind: _Kind, text: str) -> int | None:
        """Adds a block; where it begins, None when it is blank. Raises ParseError PARSE_LIMIT_EXCEEDED."""
        block = clean(text)
        if not block or block.isspace():
            return None
        if self._parts:
            gap = "\n" if kind is self._previous and kind in _CLOSE else "\n\n"
            self._parts.append(gap)
            self._length += len(gap)
        start = self._length
        self._begin_pages(start)
        self._parts.append(block)
        self._length += len(block)
        self._previous = kind
        # An archive of few bytes must not become gigabytes of text.
        self._limits.check_characters(self._length)
        return start

    def _begin_pages(self, start: int) -> None:
        """Pages announced and not yet placed begin at `start`: an empty one where the next one does."""
        self._pages.extend(
            PageStart(number, start) for number in range(len(self._pages) + 1, self._page_count + 1)
        )
