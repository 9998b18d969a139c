"""Documents cut into passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from libs.text import utf8_length
from services.answer.model import Passage, Span


def cut(
    text: str, spans: Sequence[tuple[int, int]], *, name: str = "a.md", pages: bool = False
) -> list[Passage]:
    """Passages at these places of a document, with ordinals in the order of the places."""
    order = sorted(spans)
    return [_at(text, start, end, name, order.index((start, end)), pages) for start, end in spans]


def _at(text: str, start: int, end: int, name: str, ordinal: int, pages: bool) -> Passage:
    byte_start = utf8_length(text[:start])
    piece = text[start:end]
    return Passage(
        document_id=f"doc-{name}",
        filename=name,
        source=name,
        version="v",
        chunk_id=f"{name}-{ordinal}",
        text=piece,
        span=Span(start, end, byte_start, byte_start + utf8_length(piece)),
        pages=(ordinal + 1, ordinal + 1) if pages else None,
        score=0.5,
        ordinal=ordinal,
    )


def under(passage: Passage, *headings: str) -> Passage:
    """The passage under these headings."""
    return replace(passage, headings=headings)
