"""Requests of several callers in one call: who gets which reply, and what fails with what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.store.server.connection.batched import Batcher


class Engine:
    """Doubles numbers, as many calls at a time as it is let; a negative number makes its call fail."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def double(self, numbers: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(numbers))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if min(numbers) < 0:
                raise ValueError("negative")
            return [2 * number for number in numbers]
        finally:
            self.under_way -= 1


@given(
    numbers=st.lists(st.integers(0, 1000), max_size=40),
    most=st.integers(1, 8),
    under_way=st.integers(1, 3),
)
def test_everyone_gets_the_reply_to_his_own_request(numbers: list[int], most: int, under_way: int) -> None:
    async def run() -> None:
        engine = Engine()
        batcher = Batcher(engine.double, most=most, under_way=under_way, most_wait_seconds=60)
        assert await asyncio.gather(*map(batcher.ask, numbers)) == [2 * number for number in numbers]
        assert [number for call in engine.calls for number in call] == numbers, "each once, in order"
        assert all(len(call) <= most for call in engine.calls)
        assert engine.most_under_way <= under_way

    asyncio.run(run())


async def test_whoever_is_alone_is_sent_at_once_and_the_rest_gather() -> None:
    engine = Engine()
    batcher = Batcher(engine.double, most=8, under_way=1, most_wait_seconds=60)
    engine.gate.clear()
    asked = [asyncio.create_task(batcher.ask(number)) for number in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert engine.calls == [[0]]
    engine.gate.set()
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8]
    assert engine.calls == [[0], [1, 2, 3, 4]]


async def test_a_call_that_fails_fails_for_all_it_took_along_and_for_nobody_else() -> None:
    engine = Engine()
    batcher = Batcher(engine.double, most=2, under_way=1, most_wait_seconds=60)
    replies = await asyncio.gather(*map(batcher.ask, (1, -2, 3, 4)), return_exceptions=True)
    assert engine.calls == [[1], [-2, 3], [4]]
    assert (replies[0], replies[3]) == (2, 8)
    assert isinstance(replies[1], ValueError)
    assert isinstance(replies[2], ValueError)


async def test_whoever_stops_waiting_stops_nobody_else() -> None:
    engine = Engine()
    batcher = Batcher(engine.double, most=8, under_way=1, most_wait_seconds=60)
    engine.gate.clear()
    asked = [asyncio.create_task(batcher.ask(number)) for number in range(4)]
    for _ in range(5):
        await asyncio.sleep(0)
    for impatient in (asked[0], asked[2]):  # one is on its way, the other not yet
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    engine.gate.set()
    assert await asyncio.gather(asked[1], asked[3]) == [2, 6]
    assert engine.calls == [[0], [1, 3]]


async def test_nobody_waits_long_for_a_call_that_does_not_end() -> None:
    engine = Engine()
    batcher = Batcher(engine.double, most=8, under_way=1)
    engine.gate.clear()
    stuck = asyncio.create_task(batcher.ask(1))
    await asyncio.sleep(0)
    later = [asyncio.create_task(batcher.ask(number)) for number in (2, 3)]
    async with asyncio.timeout(5):
        while len(engine.calls) < 2:  # noqa: ASYNC110 # a timer of the batcher's own
            await asyncio.sleep(0.01)
    assert engine.calls == [[1], [2, 3]]
    engine.gate.set()
    assert await asyncio.gather(stuck, *later) == [2, 4, 6]
    assert await batcher.ask(4) == 8
