"""Progress travels between processes as text, and says how long it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.store.progress import FillProgress
from services.retrieval.store.server.beats import WATCH_SECONDS, Seen, Silence

counts = st.integers(0, 10**12)


@given(st.builds(FillProgress, counts, counts, counts, counts, st.floats(0, 1e9)))
def test_it_is_read_as_it_was_written(progress: FillProgress) -> None:
    assert FillProgress.from_text(progress.to_text()) == progress


@pytest.mark.parametrize("text", ["", "[]", "{", '{"unheard": 1}', "null"])
def test_what_is_none_is_none(text: str) -> None:
    assert FillProgress.from_text(text) is None


def test_the_time_left_is_that_of_the_rest_at_this_rate() -> None:
    assert FillProgress(chunks=40, chunk_count=100, chunks_per_second=20.0).seconds_left == 3.0
    assert FillProgress(chunks=100, chunk_count=90, chunks_per_second=20.0).seconds_left == 0.0
    assert FillProgress(chunk_count=90).seconds_left is None


def test_who_stops_beating_is_taken_for_dead_after_a_while() -> None:
    silence = Silence()

    def alive(now: float, **counts: int) -> set[str]:
        return {seen.id for seen in silence.alive([Seen(name, n, "") for name, n in counts.items()], now)}

    assert alive(0.0, a=1, b=7) == {"a", "b"}
    assert alive(5.0, a=2, b=7) == {"a", "b"}
    assert alive(WATCH_SECONDS, a=3, b=7) == {"a"}
    assert alive(WATCH_SECONDS + 1, a=3, b=8) == {"a", "b"}
    assert alive(WATCH_SECONDS * 3, c=1) == {"c"}
