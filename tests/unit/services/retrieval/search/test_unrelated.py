"""The cosine of unrelated texts is measured once; nobody waits long for an embedder that is away or slow."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextvars import ContextVar

import numpy as np
import pytest
from numpy.typing import NDArray

from libs.clock import ManualClock
from libs.rpc.deadlines import Deadline
from services.retrieval.embedders.absent import AbsentEmbedder
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.search.unrelated import Unrelated

CALLER = ContextVar("CALLER", default="nobody")


class TwoDirections:
    """Gives every passage one direction and every question another; can be away, or slow."""

    name = "two"
    dimensions = 2
    batch_texts = 8

    def __init__(self, cosine: float) -> None:
        self._cosine = cosine
        self.callers: list[str] = []
        self.is_away = self.is_broken = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.callers.append(CALLER.get())
        await self.answers.wait()
        if self.is_broken:
            raise RuntimeError("of no kind the seam knows")
        if self.is_away:
            return await AbsentEmbedder(self.name, self.dimensions).embed_passages(texts)
        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return np.array([self._cosine, (1 - self._cosine**2) ** 0.5], dtype=np.float32)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def no_hurry(clock: ManualClock) -> Deadline:
    return Deadline.never(clock)


async def test_it_is_the_mean_cosine_and_measured_once(no_hurry: Deadline) -> None:
    embedder = TwoDirections(0.7)
    unrelated = Unrelated(embedder)
    found = await asyncio.gather(*(unrelated.cosine(no_hurry) for _ in range(5)))
    assert found == [pytest.approx(0.7, abs=1e-6)] * 5
    assert await unrelated.cosine(Deadline.after(0.0, no_hurry.clock)) == pytest.approx(0.7, abs=1e-6)
    assert len(embedder.callers) == 1


async def test_an_embedder_that_is_away_counts_as_0_and_is_asked_again(no_hurry: Deadline) -> None:
    embedder = TwoDirections(0.7)
    embedder.is_away = True
    unrelated = Unrelated(embedder)
    assert await asyncio.gather(*(unrelated.cosine(no_hurry) for _ in range(3))) == [0.0] * 3
    embedder.is_away = False
    assert await unrelated.cosine(no_hurry) == pytest.approx(0.7, abs=1e-6)
    assert len(embedder.callers) == 2


async def test_one_that_breaks_is_asked_again(no_hurry: Deadline) -> None:
    embedder = TwoDirections(0.7)
    embedder.is_broken = True
    unrelated = Unrelated(embedder)
    with pytest.raises(RuntimeError):
        await unrelated.cosine(no_hurry)
    embedder.is_broken = False
    assert await unrelated.cosine(no_hurry) == pytest.approx(0.7, abs=1e-6)


async def test_whoever_stops_waiting_stops_nobody_else(no_hurry: Deadline) -> None:
    unrelated = Unrelated(TwoDirections(0.4))
    one, other = (asyncio.create_task(unrelated.cosine(no_hurry)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == pytest.approx(0.4, abs=1e-6)


async def test_whoever_has_no_time_goes_without_and_stops_nobody_else(
    clock: ManualClock, no_hurry: Deadline
) -> None:
    embedder = TwoDirections(0.4)
    embedder.answers.clear()
    unrelated = Unrelated(embedder)
    assert await unrelated.cosine(Deadline.after(0.0, clock)) == 0.0
    patient = asyncio.create_task(unrelated.cosine(no_hurry))
    await asyncio.sleep(0)
    embedder.answers.set()
    assert await patient == pytest.approx(0.4, abs=1e-6)
    assert len(embedder.callers) == 1


async def test_a_slow_embedder_is_waited_for_no_more(clock: ManualClock, no_hurry: Deadline) -> None:
    embedder = TwoDirections(0.4)
    embedder.answers.clear()
    unrelated = Unrelated(embedder)
    waiting = asyncio.create_task(unrelated.cosine(no_hurry))
    await asyncio.sleep(0)
    clock.advance(60.0)
    assert await unrelated.cosine(no_hurry) == 0.0
    embedder.answers.set()
    assert await waiting == pytest.approx(0.4, abs=1e-6)
    assert await unrelated.cosine(no_hurry) == pytest.approx(0.4, abs=1e-6)


async def test_it_is_measured_for_all_and_not_by_the_deadline_of_the_first_who_asks(
    no_hurry: Deadline,
) -> None:
    """An embedder reads that in the context of the call."""
    embedder = TwoDirections(0.4)
    CALLER.set("the first")
    await Unrelated(embedder).cosine(no_hurry)
    assert embedder.callers == ["nobody"]


async def test_a_failure_that_nobody_waited_for_is_no_loose_end(no_hurry: Deadline) -> None:
    loose: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loose.append(context))
    embedder = TwoDirections(0.4)
    embedder.is_away = True
    embedder.answers.clear()
    unrelated = Unrelated(embedder)
    waiting = asyncio.create_task(unrelated.cosine(no_hurry))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    embedder.answers.set()
    measuring = asyncio.all_tasks() - {asyncio.current_task()}
    assert measuring
    await asyncio.wait(measuring)
    del unrelated, waiting, measuring
    gc.collect()
    assert loose == []


async def test_the_embedder_we_ship_gives_unrelated_texts_about_nothing(no_hurry: Deadline) -> None:
    assert abs(await Unrelated(LocalEmbedder.load()).cosine(no_hurry)) < 0.1
