"""Work beside a service."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from libs.background import MOST_PAUSE_SECONDS, beside
from libs.clock import ManualClock


async def test_work_goes_on_until_the_block_ends_and_is_over_then() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside("work", work):
        await begun.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_work_that_fails_is_begun_again_ever_later_and_the_log_says_so() -> None:
    clock, began_at, enough = ManualClock(), list[float](), asyncio.Event()

    async def work() -> None:
        began_at.append(clock.monotonic())
        if len(began_at) == 9:
            enough.set()
            return
        raise ZeroDivisionError

    with capture_logs() as lines:
        async with beside("counting", work, clock):
            await enough.wait()
    assert began_at == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert [line["again_in_seconds"] for line in lines] == [1, 2, 4, 8, 16, 32, *[MOST_PAUSE_SECONDS] * 2]
    assert {(line["event"], line["work"], line["log_level"]) for line in lines} == {
        ("background_work_failed", "counting", "error")
    }


async def test_a_failure_of_the_block_ends_the_work_and_is_told() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    try:
        async with beside("work", work):
            await asyncio.sleep(0)
            raise KeyError
    except KeyError:
        assert ended.is_set()
    else:
        raise AssertionError
