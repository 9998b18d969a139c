"""So many at a time, a short queue, and nobody lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock, SystemClock
from services.gateway.admission.bulkhead import Bulkhead, Full


def bulkhead(limit: int, wait_seconds: float = 30, clock: ManualClock | None = None) -> Bulkhead:
    monotonic = (clock or SystemClock()).monotonic
    return Bulkhead(limit, wait_seconds, monotonic=monotonic, random=lambda: 0.0)


async def test_who_finds_no_place_waits_for_the_first_to_leave() -> None:
    room = bulkhead(1)
    entered = await room.enter(10)
    second = asyncio.create_task(room.enter(10))
    await asyncio.sleep(0)
    assert (room.inside, room.waiting, second.done()) == (1, 1, False)
    room.leave(entered)
    room.leave(await second)
    assert (room.inside, room.waiting) == (0, 0)


async def test_places_are_given_in_the_order_of_arrival() -> None:
    room, order = bulkhead(3), []
    held = [await room.enter(10) for _ in range(3)]

    async def visit(name: int) -> None:
        entered = await room.enter(10)
        order.append(name)
        room.leave(entered)

    visits = [asyncio.create_task(visit(name)) for name in range(3)]
    await asyncio.sleep(0)
    room.leave(held[0])
    await asyncio.gather(*visits)
    assert order == [0, 1, 2]


async def test_the_queue_is_as_long_as_there_are_places() -> None:
    room = bulkhead(2)
    for _ in range(2):
        await room.enter(10)
    waiting = [asyncio.create_task(room.enter(10)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await room.enter(10)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert room.waiting == 0


@pytest.mark.parametrize(("wait_seconds", "patience"), [(0.01, 30), (30, 0.01), (0, 30), (30, -1)])
async def test_nobody_waits_longer_than_is_allowed_or_than_they_can(
    wait_seconds: float, patience: float
) -> None:
    room = bulkhead(1, wait_seconds)
    await room.enter(10)
    with pytest.raises(Full):
        await room.enter(patience)
    assert (room.inside, room.waiting) == (1, 0)


async def test_the_time_to_come_back_follows_how_long_calls_take() -> None:
    clock = ManualClock()
    room = bulkhead(2, 0, clock)
    for _ in range(100):
        entered = await room.enter(1)
        clock.advance(4)
        room.leave(entered)
    for _ in range(2):
        await room.enter(1)
    with pytest.raises(Full) as full:
        await room.enter(1)
    assert full.value.retry_after_seconds == pytest.approx(4, rel=0.01)


async def test_who_gives_up_in_the_moment_of_being_let_in_passes_the_place_on() -> None:
    room = bulkhead(2)
    held = [await room.enter(10) for _ in range(2)]
    first, second = (asyncio.create_task(room.enter(10)) for _ in range(2))
    await asyncio.sleep(0)
    room.leave(held.pop())
    first.cancel()
    await asyncio.wait({first, second}, timeout=5)
    assert first.cancelled()
    room.leave(await second)
    room.leave(held.pop())
    assert (room.inside, room.waiting) == (0, 0)


# How long a visitor would wait, how many turns of the loop it stays, and after how many it is cancelled.
VISITS = st.tuples(st.sampled_from([0.001, 60.0]), st.integers(0, 4), st.none() | st.integers(0, 4))


@given(st.integers(1, 4), st.lists(VISITS, min_size=1, max_size=25))
def test_whatever_callers_do_no_place_is_lost_and_none_is_taken_twice(
    limit: int, visits: list[tuple[float, int, int | None]]
) -> None:
    most = 0

    async def run() -> None:
        room = bulkhead(limit)

        async def visit(patience: float, turns: int) -> None:
            nonlocal most
            try:
                entered = await room.enter(patience)
            except Full:
                return
            most = max(most, room.inside)
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                room.leave(entered)

        async def cancelled(patience: float, turns: int, after: int | None) -> None:
            task = asyncio.create_task(visit(patience, turns))
            for _ in range(after or 0):
                await asyncio.sleep(0)
            if after is not None:
                task.cancel()
            await asyncio.wait({task})

        await asyncio.gather(*(cancelled(*one) for one in visits))
        assert (room.inside, room.waiting) == (0, 0)

    asyncio.run(run())
    assert most <= limit


def test_a_bulkhead_without_places_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one place"):
        bulkhead(0)
