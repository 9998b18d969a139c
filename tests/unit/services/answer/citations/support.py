"""Passages and runs for the tests of citations."""

from __future__ import annotations

from collections.abc import Sequence

from libs.text import utf8_length
from services.answer.citations.markers import Marker, MarkerParser, VisibleText
from services.answer.citations.tracker import CitationTracker
from services.answer.model import Citation, Passage, Span


def passage(
    text: str,
    filename: str = "a.md",
    *,
    before: str = "",
    pages: tuple[int, int] | None = None,
    page_starts: tuple[tuple[int, int], ...] = (),
) -> Passage:
    """A passage that stands behind `before` in its document."""
    start, byte_start = len(before), utf8_length(before)
    span = Span(start, start + len(text), byte_start, byte_start + utf8_length(text))
    return Passage(
        "doc",
        filename,
        "",
        "1",
        f"chunk-{filename}-{start}",
        text,
        span,
        page_starts=page_starts,
        pages=pages,
    )


def parse(deltas: Sequence[str]) -> tuple[str, list[Marker]]:
    """(clean text, markers) of a stream."""
    parser = MarkerParser()
    events = [event for delta in deltas for event in parser.feed(delta)] + parser.finish()
    text = "".join(event.text for event in events if isinstance(event, VisibleText))
    return text, [event for event in events if isinstance(event, Marker)]


def track(deltas: Sequence[str], passages: Sequence[Passage]) -> CitationTracker:
    """A finished tracker; what it showed is its answer, and each citation came after its text."""
    tracker = CitationTracker(passages)
    shown = ""
    for delta in [*deltas, None]:
        for event in tracker.finish() if delta is None else tracker.feed(delta):
            if isinstance(event, Citation):
                assert event.answer_span.char_end <= len(shown)
            else:
                assert event
                shown += event
    assert shown == tracker.answer
    return tracker
