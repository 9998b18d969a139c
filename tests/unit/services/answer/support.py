"""Passages and turns for the answer service's tests."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

from libs.text import utf8_length
from services.answer.model import Outcome, Passage, Span, Turn
from services.answer.usage.record import UsageRecord


def passage(text: str, *, name: str = "a.md", start: int = 0, score: float = 0.5) -> Passage:
    """A passage of an all-ASCII document that begins at `start`."""
    span = Span(start, start + len(text), start, start + utf8_length(text))
    return Passage(
        document_id=f"doc-{name}",
        filename=name,
        source=name,
        version="v",
        chunk_id=f"{name}:{start}",
        text=text,
        span=span,
        score=score,
    )


_numbers = count(1)


def turn(question: str, answer: str = "Yes.") -> Turn:
    """A turn of a conversation, of a query of its own."""
    return Turn(f"q-{next(_numbers)}", question, answer, Outcome.ANSWERED, datetime(2026, 1, 1, tzinfo=UTC))


class UsageList:
    """A usage log in memory."""

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []

    def record(self, record: UsageRecord) -> None:
        """See UsageSink.record."""
        self.records.append(record)
