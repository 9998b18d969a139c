"""Filling rests as long as it is told to, and never goes faster than it may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock
from services.retrieval.reindexing.pace import Pace


async def test_it_rests_in_proportion_to_the_work() -> None:
    clock = ManualClock()
    await Pace(clock, rest=1.0).after(32, 0.25)
    assert clock.monotonic() == 0.25
    await Pace(clock).after(32, 0.25)
    assert clock.monotonic() == 0.25


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.lists(st.floats(0, 3), max_size=30))
async def test_chunks_never_come_faster_than_allowed(batches: list[int], idle: list[float]) -> None:
    """Over any stretch that begins with a batch; time lost is not made up for."""
    clock, rate = ManualClock(), 100.0
    pace = Pace(clock, max_per_second=rate)
    written: list[tuple[float, int]] = []
    for number, chunks in enumerate(batches):
        written.append((clock.monotonic(), chunks))
        await pace.after(chunks, 0.0)
        clock.advance(idle[number] if number < len(idle) else 0.0)
    for first in range(len(written)):
        for last in range(first, len(written)):
            chunks = sum(count for _, count in written[first:last])
            assert written[last][0] - written[first][0] >= chunks / rate - 1e-6


async def test_a_limit_costs_no_more_than_it_must() -> None:
    clock = ManualClock()
    pace = Pace(clock, max_per_second=100.0)
    for _ in range(10):
        await pace.after(50, 0.1)
    assert clock.monotonic() == pytest.approx(5.0)
