"""Puts neighbouring chunks of one document back together, with exact offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.answer.model import Passage, Span

_WIDEST_GAP = 16  # blank characters between two chunks; ingest cuts off blanks at both ends of a chunk


@dataclass(frozen=True, slots=True)
class Source:
    """What stands in a prompt under one number."""

    passage: Passage
    """The text to show; of the best member when there are several, but for text, span and pages."""
    members: tuple[int, ...]
    """Indices of the passages it is made of, in the order of the document."""
    is_exact: bool
    """Whether the text is the document's to the letter: the kind of blank between chunks is not known."""


def merge(passages: Sequence[Passage], kept: Sequence[int]) -> list[Source]:
    """The kept passages as sources, in the order of their best members.

    Passages of one version of one document and under the same headings become one source where their spans
    meet or overlap, or where they are consecutive chunks with nothing but blanks between them.
    """
    rank = {index: place for place, index in enumerate(kept)}
    by_place = sorted(kept, key=lambda index: (_document(passages[index]), passages[index].span.char_start))
    sources: list[Source] = []
    for index in by_place:
        joined = _join(sources[-1], index, passages, rank) if sources else None
        if joined is None:
            sources.append(Source(passages[index], (index,), is_exact=True))
        else:
            sources[-1] = joined
    return sorted(sources, key=lambda source: min(rank[index] for index in source.members))


def _document(passage: Passage) -> tuple[str, str, tuple[str, ...]]:
    return passage.document_id, passage.version, passage.headings


def _join(source: Source, index: int, passages: Sequence[Passage], rank: dict[int, int]) -> Source | None:
    first, second = source.passage, passages[index]
    if not first.document_id or _document(first) != _document(second):
        return None
    gap = second.span.char_start - first.span.char_end
    shared = max(0, -gap)
    if gap > 0:
        last = passages[source.members[-1]]
        if gap > _WIDEST_GAP or last.ordinal < 0 or second.ordinal != last.ordinal + 1:
            return None
    elif first.text[len(first.text) - shared :][: len(second.text)] != second.text[:shared]:
        return None  # spans and texts disagree: not what one document says
    best = min((*source.members, index), key=lambda member: rank[member])
    members = (*source.members, index)
    blank = "\n" * gap if gap > 1 else " " * gap
    text = first.text + blank + second.text[shared:] if gap > -len(second.text) else first.text
    return Source(
        replace(
            passages[best],
            text=text,
            span=_around(first.span, second.span),
            pages=_pages(first, second),
            page_starts=tuple(dict.fromkeys((*first.page_starts, *second.page_starts))),
            score=max(first.score, second.score),
        ),
        members,
        is_exact=source.is_exact and gap <= 0,
    )


def _around(first: Span, second: Span) -> Span:
    return Span(
        first.char_start,
        max(first.char_end, second.char_end),
        first.byte_start,
        max(first.byte_end, second.byte_end),
    )


def _pages(first: Passage, second: Passage) -> tuple[int, int] | None:
    if first.pages is None or second.pages is None:
        return first.pages or second.pages
    return first.pages[0], max(first.pages[1], second.pages[1])
