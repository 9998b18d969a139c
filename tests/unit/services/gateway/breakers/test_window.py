"""The sliding window of a circuit breaker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.breakers.window import SlidingWindow


def test_counts_calls_and_failures() -> None:
    window = SlidingWindow(30, 10)
    window.add(0.0, failed=True)
    window.add(1.0, failed=False)
    window.add(14.0, failed=True)
    assert window.totals(14.0) == (3, 2)


def test_a_call_is_forgotten_after_the_window_and_not_before_nine_tenths_of_it() -> None:
    window = SlidingWindow(30, 10)
    window.add(2.9, failed=True)
    assert window.totals(29.9) == (1, 1)
    assert window.totals(30.0) == (0, 0)


def test_clear_forgets_everything() -> None:
    window = SlidingWindow(30, 10)
    window.add(1.0, failed=True)
    window.clear()
    assert window.totals(1.0) == (0, 0)


@pytest.mark.parametrize(("seconds", "buckets"), [(0, 10), (-1, 10), (30, 0)])
def test_an_impossible_window_is_refused(seconds: float, buckets: int) -> None:
    with pytest.raises(ValueError, match="window"):
        SlidingWindow(seconds, buckets)


@given(
    st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=60),
    st.floats(0, 40),
)
def test_totals_lie_between_those_of_the_exact_windows_at_both_ends_of_the_resolution(
    steps: list[tuple[float, bool]], wait: float
) -> None:
    window, now, calls = SlidingWindow(30, 10), 0.0, []
    for step, failed in steps:
        now += step
        window.add(now, failed=failed)
        calls.append((now, failed))
    now += wait
    total, failures = window.totals(now)
    # A margin of a nanosecond keeps rounding at the edges out of the comparison.
    surely = [failed for at, failed in calls if at > now - 27 + 1e-9]
    perhaps = [failed for at, failed in calls if at > now - 30 - 1e-9]
    assert len(surely) <= total <= len(perhaps)
    assert sum(surely) <= failures <= sum(perhaps)
