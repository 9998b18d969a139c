"""Room shrinks while the process is late, and grows back."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock, SystemClock
from services.gateway.admission.bulkhead import SMALLEST, Bulkhead, Full
from services.gateway.admission.pressure import LATE_SECONDS, Pressure, Probe, relieved


def bulkhead(limit: int) -> Bulkhead:
    return Bulkhead(limit, 30, monotonic=SystemClock().monotonic, random=lambda: 0.0)


def test_lateness_shrinks_fast_and_its_end_grows_slowly() -> None:
    pressure = Pressure()
    assert pressure.note(LATE_SECONDS) == 1
    shrunk = [pressure.note(LATE_SECONDS * 2) for _ in range(5)]
    assert shrunk == sorted(shrunk, reverse=True)
    assert shrunk[-1] < 0.2
    assert pressure.note(0) == pytest.approx(shrunk[-1] + 0.02)
    assert [pressure.note(0) for _ in range(50)][-1] == 1


@given(st.lists(st.floats(0, 5)))
def test_the_share_stays_a_share(lateness: list[float]) -> None:
    pressure = Pressure()
    assert all(0 <= pressure.note(late) <= 1 for late in lateness)


async def test_a_smaller_room_lets_those_inside_finish_and_takes_fewer() -> None:
    room = bulkhead(80)
    inside = [await room.enter(10) for _ in range(80)]
    waiting = [asyncio.create_task(room.enter(10)) for _ in range(3)]
    await asyncio.sleep(0)
    room.resize(0.5)
    for _ in range(40):
        room.leave(inside.pop())
    await asyncio.sleep(0)
    assert (room.inside, room.waiting) == (40, 3), "nobody was let in yet"
    room.leave(inside.pop())
    await waiting[0]
    assert (room.inside, room.waiting) == (40, 2)
    room.resize(1)
    await asyncio.gather(*waiting)
    assert (room.inside, room.waiting) == (42, 0), "growing lets those in who waited"


async def test_some_room_is_always_left() -> None:
    room = bulkhead(256)
    room.resize(0)
    for _ in range(SMALLEST):
        await room.enter(10)
    assert not room.is_full
    waiting = [asyncio.create_task(room.enter(10)) for _ in range(SMALLEST)]
    await asyncio.sleep(0)
    assert room.is_full
    with pytest.raises(Full):
        await room.enter(10)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    small = bulkhead(2)
    small.resize(0)
    await small.enter(10)
    await small.enter(10)
    assert small.inside == 2, "never smaller than it was made"


class Service:
    """Answers health checks after a while, or not at all (None)."""

    def __init__(self, clock: ManualClock, seconds: float | None) -> None:
        self.clock = clock
        self.seconds = seconds

    async def __call__(self, timeout_seconds: float) -> bool:
        if self.seconds is None:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing)
        self.clock.advance(self.seconds)
        await asyncio.sleep(0)
        return True


@pytest.mark.parametrize("is_replicated", [False, True])
@pytest.mark.parametrize(("seconds", "late"), [(0.4, 0.4), (0.001, 0.001), (None, 0.0)])
async def test_a_service_s_lateness_is_what_its_health_check_takes(
    seconds: float | None, late: float, is_replicated: bool
) -> None:
    clock = ManualClock()
    probe = Probe(Service(clock, seconds), clock, is_replicated=is_replicated)
    await probe.ask()
    assert probe.late_seconds == pytest.approx(late)


class Hanging:
    """Answers no health check until it is let go."""

    def __init__(self) -> None:
        self.hangs = True
        self.let_go = asyncio.Event()

    async def __call__(self, timeout_seconds: float) -> bool:
        if self.hangs:
            await self.let_go.wait()
        return True


async def test_a_check_that_is_not_answered_yet_counts_already() -> None:
    clock, service = ManualClock(), Hanging()
    probe = Probe(service, clock)
    asking = asyncio.create_task(probe.ask())
    await asyncio.sleep(0)
    clock.advance(0.7)
    assert probe.late_seconds == pytest.approx(0.7)
    service.let_go.set()
    await asking
    assert probe.late_seconds == pytest.approx(0.7)


async def test_one_of_several_replicas_that_hangs_is_no_pressure_and_all_of_them_are() -> None:
    clock, service = ManualClock(), Hanging()
    probe = Probe(service, clock, is_replicated=True)
    hanging = []
    for service.hangs in (True, False, True, False, True):
        hanging.append(asyncio.create_task(probe.ask()))
        await asyncio.sleep(0)
        clock.advance(0.4)
        assert probe.late_seconds == 0
    clock.advance(1.3)
    assert probe.late_seconds == pytest.approx(5 * 0.4 + 1.3), "nobody has answered for two seconds"
    service.let_go.set()
    await asyncio.gather(*hanging)


async def test_the_next_check_does_not_wait_for_one_that_hangs() -> None:
    clock, service, asked = ManualClock(), Hanging(), 0

    async def count(timeout_seconds: float) -> bool:
        nonlocal asked
        asked += 1
        return await service(timeout_seconds)

    running = asyncio.create_task(Probe(count, clock).run())
    while asked < 3:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Late(ManualClock):
    """A clock whose sleepers wake late, as often as they are told to."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.slept = 0

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.advance(seconds + (1.0 if self.slept <= self.times else 0.0))
        await asyncio.sleep(0)


async def test_the_rooms_follow_the_loop() -> None:
    room, clock = bulkhead(200), Late(times=4)
    sizes = []
    async with relieved([room], [], clock):
        while clock.slept < 80:
            await asyncio.sleep(0)
            sizes.append(room._limit)
    assert min(sizes) == round(200 * 0.7**4)
    assert sizes[-1] == 200
