"""Whether everything a version needs has been stored, before it may go live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libs.errors import Violations
from services.retrieval.model import Attempt


@dataclass(frozen=True, slots=True)
class StoredParts:
    """What an attempt has stored."""

    chunk_count: int
    highest_ordinal: int
    """-1 without chunks."""
    text_extents: Sequence[tuple[int, int]]
    """(start, end) of each block of text, by start."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What the ingest says the version consists of."""

    chunk_count: int
    page_count: int
    """0 where the format has no pages."""
    character_count: int
    title: str
    language: str = ""
    """Code of the text's language; empty when it is not known."""


def first_gap(extents: Sequence[tuple[int, int]], length: int) -> int | None:
    """Where [0, length) is first not covered by `extents` (half-open, sorted by start), or None."""
    reached = 0
    for start, end in extents:
        if start > reached:
            break
        reached = max(reached, end)
    return reached if reached < length else None


def require_complete(attempt: Attempt, version: Completion, stored: StoredParts) -> None:
    """Raises INVALID_REQUEST unless chunks 0 to chunk_count - 1 and the whole text are stored."""
    faults = Violations()
    faults.require(
        bool(attempt.version), "attempt_token", "the version is not known yet; send it by UpdateAttempt"
    )
    # That many distinct chunks, none with a higher number: so each number is there.
    faults.require(
        stored.chunk_count == version.chunk_count and stored.highest_ordinal == version.chunk_count - 1,
        "chunk_count",
        f"must be the number of chunks stored, without a gap; {stored.chunk_count} are stored, the "
        f"highest ordinal is {stored.highest_ordinal}",
    )
    gap = first_gap(stored.text_extents, version.character_count)
    faults.require(gap is None, "character_count", f"the text stored has a gap at character {gap}")
    reached = max((end for _, end in stored.text_extents), default=0)
    faults.require(
        reached <= version.character_count,
        "character_count",
        f"must be the length of the text stored, which is {reached}",
    )
    faults.raise_if_any()
