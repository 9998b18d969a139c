"""A manual clock moves only when told to."""

import asyncio
from datetime import timedelta

import pytest
import uvloop

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


def test_a_sleep_is_never_too_short_on_the_loop_that_services_use() -> None:
    async def oversleep() -> list[float]:
        clock, over = SystemClock(), []
        for number in range(60):
            end = clock.monotonic() + (seconds := 0.002 + number * 0.00013)
            await clock.sleep(seconds)
            over.append(clock.monotonic() - end)
        return over

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert min(runner.run(oversleep())) >= 0
