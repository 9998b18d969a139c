"""A manual clock moves only when told to."""

from datetime import timedelta

import pytest

from libs.clock import ManualClock, SystemClock


async def test_sleeping_on_a_manual_clock_takes_no_real_time() -> None:
    clock = ManualClock()
    before, day = clock.now(), 86_400.0
    await clock.sleep(day)
    clock.advance(1.5)
    assert clock.monotonic() == day + 1.5
    assert clock.now() - before == timedelta(days=1, seconds=1.5)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        ManualClock().advance(-1)


async def test_the_system_clock_runs_and_accepts_a_negative_wait() -> None:
    clock = SystemClock()
    start = clock.monotonic()
    await clock.sleep(-1)
    await clock.sleep(0.01)
    assert clock.monotonic() - start >= 0.009
    assert clock.now().tzinfo is not None
