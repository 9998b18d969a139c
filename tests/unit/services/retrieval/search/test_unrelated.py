"""The cosine of unrelated texts is measured once, and an embedder that is away for a while is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from services.retrieval.embedders.absent import AbsentEmbedder
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.search.unrelated import Unrelated


class TwoDirections:
    """Gives every passage one direction and every question another; can be away."""

    name = "two"
    dimensions = 2
    batch_texts = 8

    def __init__(self, cosine: float) -> None:
        self._cosine = cosine
        self.asked = 0
        self.is_away = False

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += 1
        if self.is_away:
            return await AbsentEmbedder(self.name, self.dimensions).embed_passages(texts)
        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return np.array([self._cosine, (1 - self._cosine**2) ** 0.5], dtype=np.float32)


async def test_it_is_the_mean_cosine_and_measured_once() -> None:
    embedder = TwoDirections(0.7)
    unrelated = Unrelated(embedder)
    found = await asyncio.gather(*(unrelated.cosine() for _ in range(5)))
    assert found == [pytest.approx(0.7, abs=1e-6)] * 5
    assert embedder.asked == 1


async def test_an_embedder_that_is_away_counts_as_0_and_is_asked_again() -> None:
    embedder = TwoDirections(0.7)
    embedder.is_away = True
    unrelated = Unrelated(embedder)
    assert await unrelated.cosine() == 0.0
    embedder.is_away = False
    assert await unrelated.cosine() == pytest.approx(0.7, abs=1e-6)


async def test_whoever_stops_waiting_stops_nobody_else() -> None:
    unrelated = Unrelated(TwoDirections(0.4))
    one, other = (asyncio.create_task(unrelated.cosine()) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == pytest.approx(0.4, abs=1e-6)


async def test_the_embedder_we_ship_gives_unrelated_texts_about_nothing() -> None:
    assert abs(await Unrelated(LocalEmbedder.load()).cosine()) < 0.1
