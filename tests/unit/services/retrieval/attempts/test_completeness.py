"""Nothing goes live with a hole in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import DocuQueryError
from services.retrieval.attempts.completeness import Completion, StoredParts, first_gap, require_complete
from services.retrieval.model import Status
from tests.contract.retrieval_samples import record

OPEN = record(1, live=False, status=Status.PROCESSING).attempt
VERSION = Completion(chunk_count=3, page_count=0, character_count=100, title="")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=12), st.integers(1, 40))
def test_a_gap_is_the_first_character_no_block_holds(pieces: list[tuple[int, int]], length: int) -> None:
    extents = sorted((start, start + size) for start, size in pieces)
    held = {character for start, end in extents for character in range(start, end)}
    missing = [character for character in range(length) if character not in held]
    assert first_gap(extents, length) == (missing[0] if missing else None)


def test_a_complete_version_passes() -> None:
    require_complete(OPEN, VERSION, StoredParts(3, 2, [(0, 60), (50, 100)]))


@pytest.mark.parametrize(
    ("version", "highest", "stored", "extents", "field"),
    [
        ("", 2, 3, [(0, 100)], "attempt_token"),
        ("v", 2, 2, [(0, 100)], "chunk_count"),
        ("v", 3, 3, [(0, 100)], "chunk_count"),
        ("v", 2, 4, [(0, 100)], "chunk_count"),
        ("v", 2, 3, [(0, 40), (41, 100)], "character_count"),
        ("v", 2, 3, [], "character_count"),
        ("v", 2, 3, [(0, 101)], "character_count"),
    ],
)
def test_what_is_missing_is_named(
    version: str, highest: int, stored: int, extents: list[tuple[int, int]], field: str
) -> None:
    attempt = replace(OPEN, version=version)
    with pytest.raises(DocuQueryError) as caught:
        require_complete(attempt, VERSION, StoredParts(stored, highest, extents))
    assert [violation.field for violation in caught.value.violations] == [field]
