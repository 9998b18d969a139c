"""A slow read is asked of another replica, within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.gateway.downstream.hedge import Hedge

DOWN = DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Not there.")


class Replicas:
    """Reads that go as scripted, one after the other: a result, an error, or silence (None)."""

    def __init__(self, *script: str | DocuQueryError | None) -> None:
        self.script = list(script)
        self.asked = 0
        self.under_way = 0

    async def read(self) -> str:
        step = self.script[self.asked]
        self.asked += 1
        self.under_way += 1
        try:
            if step is None:
                await asyncio.Event().wait()
            if isinstance(step, DocuQueryError):
                raise step
            return str(step)
        finally:
            self.under_way -= 1


async def test_a_quick_read_is_made_once() -> None:
    replicas = Replicas("a", "b")
    assert await Hedge(5).run(replicas.read) == "a"
    assert replicas.asked == 1


async def test_a_silent_replica_is_helped_out_by_another_and_left() -> None:
    replicas = Replicas(None, "b")
    assert await Hedge(0.01).run(replicas.read) == "b"
    assert replicas.under_way == 0


async def test_when_the_silent_one_is_asked_again_another_try_follows_but_not_without_end() -> None:
    replicas = Replicas(None, None, None, "d")
    assert await Hedge(0.01).run(replicas.read) == "d"
    silent = Replicas(*[None] * 4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await Hedge(0.01).run(silent.read)
    assert (silent.asked, silent.under_way) == (4, 0)


async def test_a_failure_is_told_at_once_without_asking_again() -> None:
    replicas = Replicas(DOWN, "b")
    with pytest.raises(DocuQueryError):
        await Hedge(5).run(replicas.read)
    assert replicas.asked == 1


async def test_when_the_second_fails_the_first_is_still_waited_for() -> None:
    release = asyncio.Event()
    reads: list[Callable[[], Awaitable[str]]] = []

    async def first() -> str:
        await release.wait()
        return "a"

    async def second() -> str:
        release.set()
        raise DOWN

    reads += [first, second]
    assert await Hedge(0.01).run(lambda: reads.pop(0)()) == "a"


async def test_without_replicas_there_is_no_second_read() -> None:
    replicas = Replicas("a")
    assert await Hedge(None).run(replicas.read) == "a"


async def test_cancelling_ends_both_reads() -> None:
    replicas = Replicas(None, None)
    task = asyncio.create_task(Hedge(0.01).run(replicas.read))
    while replicas.asked < 2:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert replicas.under_way == 0


async def test_when_everything_is_slow_few_reads_are_made_twice() -> None:
    hedge, seconds = Hedge(0), 0

    async def slow() -> str:
        nonlocal seconds
        seconds += 1
        await asyncio.sleep(0.001)
        return "a"

    for _ in range(100):
        await hedge.run(slow)
    assert 100 < seconds <= 100 + 10 + 10
