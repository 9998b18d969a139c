"""The moving window."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock
from services.gateway.admission.rate_limit import MovingWindowLimiter


async def test_calls_within_the_limit_pass_and_the_next_waits_for_the_oldest_to_leave() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(10, clock.monotonic)
    assert await limiter.acquire("a", 2) == 0
    clock.advance(4)
    assert await limiter.acquire("a", 2) == 0
    assert await limiter.acquire("a", 2) == pytest.approx(6)
    clock.advance(6)
    assert await limiter.acquire("a", 2) == 0
    assert await limiter.acquire("a", 2) == pytest.approx(4)


async def test_callers_do_not_share_a_limit() -> None:
    limiter = MovingWindowLimiter(10, ManualClock().monotonic)
    assert await limiter.acquire("a", 1) == 0
    assert await limiter.acquire("b", 1) == 0
    assert await limiter.acquire("a", 1) > 0


async def test_refused_calls_do_not_count() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(10, clock.monotonic)
    await limiter.acquire("a", 1)
    for _ in range(100):
        await limiter.acquire("a", 1)
    clock.advance(10)
    assert await limiter.acquire("a", 1) == 0


async def test_quiet_callers_are_forgotten() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(10, clock.monotonic)
    for number in range(1000):
        await limiter.acquire(f"caller {number}", 1)
    clock.advance(10)
    await limiter.acquire("a", 1)
    assert list(limiter._calls) == ["a"]


async def test_a_limit_that_was_lowered_holds_at_once() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(10, clock.monotonic)
    for _ in range(5):
        assert await limiter.acquire("a", 5) == 0
        clock.advance(1)
    assert await limiter.acquire("a", 2) == pytest.approx(8), "when the fourth call leaves the window"
    clock.advance(8)
    assert await limiter.acquire("a", 2) == 0


def test_an_impossible_window_is_refused() -> None:
    with pytest.raises(ValueError, match="rate limit"):
        MovingWindowLimiter(0, ManualClock().monotonic)


@given(st.integers(1, 5), st.lists(st.floats(0, 7), min_size=1, max_size=40))
def test_no_stretch_of_a_window_ever_holds_more_and_the_wait_is_true(limit: int, steps: list[float]) -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(10, clock.monotonic)
    passed: list[float] = []

    async def run() -> None:
        for step in steps:
            clock.advance(step)
            wait = await limiter.acquire("a", limit)
            if wait:
                clock.advance(wait + 1e-9)
                assert await limiter.acquire("a", limit) == 0, "whoever waits as told passes"
            passed.append(clock.monotonic())

    asyncio.run(run())
    for index, moment in enumerate(passed):
        assert sum(moment - 10 < other <= moment for other in passed[: index + 1]) <= limit
