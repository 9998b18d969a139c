"""How a request's time is shared out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.fallback.backoff import full_jitter


@pytest.mark.parametrize(
    ("remaining", "attempts_left", "expected"),
    [
        (60.0, 3, 15.0),  # the cap
        (30.25, 3, 10.0),  # an equal share of what is left beside the reserve
        (30.25, 2, 15.0),
        (30.25, 1, 30.0),  # the last one gets the rest, cap or not
        (0.2, 1, 0.0),  # nothing but the reserve is left
    ],
)
def test_the_slice_of_an_attempt(remaining: float, attempts_left: int, expected: float) -> None:
    assert budget.first_text_seconds(remaining, attempts_left, 15.0, 0.25) == pytest.approx(expected)


@given(st.floats(0, 100), st.integers(1, 5), st.floats(0.01, 60), st.floats(0, 1))
def test_slices_never_exceed_what_is_left_beside_the_reserve(
    remaining: float, attempts: int, cap: float, reserve: float
) -> None:
    left = remaining
    for attempts_left in range(attempts, 0, -1):
        left -= budget.first_text_seconds(left, attempts_left, cap, reserve)
    assert left >= min(remaining, reserve) - 1e-9


def test_a_deadline_is_bounded_by_the_server_s_own_limit() -> None:
    clock = ManualClock()
    assert budget.bounded(Deadline.never(clock), 60).remaining() == 60
    assert budget.bounded(Deadline.after(5, clock), 60).remaining() == 5
    assert budget.bounded(Deadline.after(90, clock), 60).remaining() == 60
    assert math.isinf(Deadline.never(clock).remaining())


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_backoff_is_random_below_a_doubling_bound_of_at_most_two_seconds(retry: int, chance: float) -> None:
    bound = min(0.25 * 2**retry, 2.0)
    assert full_jitter(retry, lambda: chance) == pytest.approx(chance * bound)
