"""Cuts a document's text into chunks that keep to its structure, with exact offsets.

A chunk never mixes sections, except that a heading without text of its own stays with what follows, and a
section shorter than a quarter of the chunk size joins its neighbour when both fit. Inside a section the
text is cut, by preference, where a paragraph, a list item, a table row or cell, a sentence, a line, a clause
or a word ends, else between two letters. A block of code that fits is not cut. Chunks overlap where a
paragraph had to be torn; at a paragraph's or cell's end there is nothing to repeat.

Parsers write rows as `Header: value | Header: value`, so a row longer than a chunk is cut between cells and
every piece still names its columns. Only a single cell longer than a chunk is torn like any other text.

The time is linear in the length of the text: every decision looks at one window of at most a chunk's size.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.ingest.model import Chunk, HeadingPath, ParsedDocument, Section, Span
from services.ingest.text import boundaries

REVISION = 2
"""Raised when the same text would be cut differently: a new revision makes new versions of documents."""

DEFAULT_MAX_CHARACTERS = 500
"""Code points. About 100 English words: short enough to be cited whole."""
DEFAULT_OVERLAP = 50

_TINY_SHARE = 4
"""A section shorter than a chunk's size divided by this may share a chunk with its neighbour."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Text that may share chunks: text[start:end] begins and ends with something visible."""

    start: int
    end: int
    headings: HeadingPath
    only_headings: bool


def chunk(
    document: ParsedDocument,
    max_characters: int = DEFAULT_MAX_CHARACTERS,
    overlap: int = DEFAULT_OVERLAP,
) -> Iterator[Chunk]:
    """The document's chunks in the order of its text.

    Every chunk has 1 to `max_characters` code points and begins and ends with a visible one; every
    visible character is in at least one chunk; starts and ends both ascend; a chunk repeats at most
    `overlap` code points of the one before it.

    Raises ValueError unless `max_characters` is 1 or more and `overlap` at most half of it.
    """
    if max_characters < 1 or not 0 <= overlap <= max_characters // 2:
        raise ValueError("max_characters must be at least 1, overlap 0 to half of it")
    return _chunks(document, max_characters, overlap)


def _chunks(document: ParsedDocument, size: int, overlap: int) -> Iterator[Chunk]:
    text = document.text
    pages = document.pages
    page_starts = [page.char_start for page in pages]
    char, byte = 0, 0
    ordinal = 0
    for group in _groups(text, document.sections, size):
        for start, end in _cut(text, group.start, group.end, size, overlap, document.unbroken):
            # Starts ascend, so one running position is enough for byte offsets.
            byte += _utf8_length(text, char, start)
            char = start
            first_page = last_page = 0
            begun: tuple[int, int] = (0, 0)
            if pages:
                begun = bisect_left(page_starts, start), bisect_left(page_starts, end)
                first_page = pages[max(0, bisect_right(page_starts, start) - 1)].page
                last_page = pages[max(0, begun[1] - 1)].page
            yield Chunk(
                ordinal=ordinal,
                char_start=start,
                char_end=end,
                byte_start=byte,
                byte_end=byte + _utf8_length(text, start, end),
                first_page=first_page,
                last_page=last_page,
                page_starts=tuple(pages[begun[0] : begun[1]]),
                headings=group.headings,
            )
            ordinal += 1


def _utf8_length(text: str, start: int, end: int) -> int:
    piece = text[start:end]
    return len(piece) if piece.isascii() else len(piece.encode())


def _groups(text: str, sections: Sequence[Section], size: int) -> Iterator[_Group]:
    """Sections without blank ends, tiny ones and bare headings joined to their neighbours."""
    current: _Group | None = None
    for following in _sections(text, sections):
        joined = _join(current, following, size) if current is not None else None
        if current is not None and joined is None:
            yield current
        current = joined or following
    if current is not None:
        yield current


def _sections(text: str, sections: Sequence[Section]) -> Iterator[_Group]:
    starts = [0, *(section.char_start for section in sections)]
    paths: list[HeadingPath] = [(), *(section.headings for section in sections)]
    ends = [*starts[1:], len(text)]
    for start, end, headings in zip(starts, ends, paths, strict=True):
        first = boundaries.skip_blanks(text, start, end)
        last = boundaries.trim_blanks(text, first, end)
        if first < last:
            bare = bool(headings) and text.find("\n", first, last) < 0
            yield _Group(first, last, headings, bare)


def _join(first: _Group, second: _Group, size: int) -> _Group | None:
    """Both as one group, or None when they are better apart."""
    if first.only_headings and second.headings[: len(first.headings)] == first.headings:
        return _Group(first.start, second.end, second.headings, second.only_headings)
    tiny = size // _TINY_SHARE
    if second.end - first.start > size:
        return None
    if min(first.end - first.start, second.end - second.start) >= tiny:
        return None
    return _Group(first.start, second.end, _common(first.headings, second.headings), False)


def _common(first: HeadingPath, second: HeadingPath) -> HeadingPath:
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return first[:length]


def _cut(
    text: str, start: int, end: int, size: int, overlap: int, unbroken: Sequence[Span]
) -> Iterator[tuple[int, int]]:
    """Spans of at most `size` that cover the visible text of text[start:end], which has no blank ends."""
    unseen = start
    while end - start > size:
        cut = _best_cut(text, start, end, size, unseen)
        if unbroken:
            cut = _spare(text, unbroken, start, cut, size, unseen)
        yield start, boundaries.trim_blanks(text, start, cut)
        unseen = boundaries.skip_blanks(text, cut, end)
        start = _next_start(text, start, cut, unseen, size, overlap)
    yield start, end


def _spare(text: str, unbroken: Sequence[Span], start: int, cut: int, size: int, unseen: int) -> int:
    """`cut`, or the end of the unbroken span it would tear, or its beginning, when that spares the span."""
    span = unbroken[max(0, bisect_left(unbroken, (cut, 0)) - 1)]
    if not span.start < cut < span.end:
        return cut
    first, last = span.start, boundaries.trim_blanks(text, cut, span.end)
    if last == cut:
        return cut
    if last - start <= size:
        return last
    before = boundaries.trim_blanks(text, start, first)
    return before if before > unseen and last - first <= size else cut


def _best_cut(text: str, start: int, end: int, size: int, unseen: int) -> int:
    """Where the chunk that begins at `start` ends: after `unseen`, at most `size` further on.

    text[start:unseen] is what the chunk repeats of the one before it.
    """
    # A little more than one chunk is left: two of similar length read better than a long one and a scrap.
    remaining = end - start
    high = start + (size if remaining >= size + size // 2 else max(remaining * 2 // 3, 1))
    if high <= unseen:
        high = start + size
    low = max(start + (high - start) // 2, unseen)
    for last_end in (
        boundaries.paragraph_end,
        boundaries.item_end,
        boundaries.cell_end,
        boundaries.sentence_end,
        boundaries.line_end,
        boundaries.clause_end,
        boundaries.word_end,
    ):
        cut = last_end(text, low, high)
        if cut > low:
            return cut
    cut = boundaries.word_end(text, unseen, low)
    if cut > unseen:
        return cut
    return boundaries.letter_start(text, high, unseen + 1)


def _next_start(text: str, start: int, cut: int, unseen: int, size: int, overlap: int) -> int:
    """Where the chunk after text[start:cut] begins: at most `overlap` before `cut`, after `start`.

    `unseen` is the first visible character after `cut`; the new chunk has room for it.
    """
    low = max(cut - overlap, start + 1)
    if boundaries.after_cell(text, cut):
        return unseen
    if low >= cut or unseen - low >= size or text.find("\n\n", cut, unseen) >= 0:
        return unseen
    for first_start in (boundaries.sentence_start, boundaries.word_start):
        found = first_start(text, low, cut)
        if found >= 0:
            return found
    if unseen > cut:
        # One word longer than the overlap, with white space behind it: repeating its end helps nobody.
        return unseen
    found = boundaries.letter_start(text, low, start + 1)
    return found if found >= low and not text[found].isspace() else unseen
