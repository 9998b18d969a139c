"""A text that was embedded once is not embedded again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.embedders.cache import VectorCache
from services.retrieval.embedders.cached import CachedEmbedder


class Counting:
    """An embedder that gives each text a vector of its own and keeps the texts it was asked for."""

    name = "test/model"
    dimensions = 8
    batch_texts = 4

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_down = False

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.is_down:
            raise DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "Down.")
        self.asked += texts
        vectors = np.stack([np.random.default_rng(len(text)).normal(size=8) for text in texts])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = (await self.embed_passages([text]))[0]
        return vector


@pytest.fixture
def inner() -> Counting:
    return Counting()


@pytest.fixture
def embedder(inner: Counting, tmp_path: Path) -> Iterator[CachedEmbedder]:
    with ThreadPoolExecutor(1) as thread:
        cache = VectorCache(tmp_path / "cache.sqlite3", 2**20, ManualClock())
        yield CachedEmbedder(inner, cache, thread)
        cache.close()


async def test_only_new_texts_are_asked_for_and_all_come_in_order(
    embedder: CachedEmbedder, inner: Counting
) -> None:
    await embedder.embed_passages(["b", "ccc"])
    inner.asked.clear()
    found = await embedder.embed_passages(["aaaa", "b", "aaaa", "ccc"])
    assert inner.asked == ["aaaa"]
    expected = await Counting().embed_passages(["aaaa", "b", "aaaa", "ccc"])
    assert found == pytest.approx(expected, abs=1e-3)


async def test_questions_and_passages_share_the_cache(embedder: CachedEmbedder, inner: Counting) -> None:
    await embedder.embed_query("same")
    await embedder.embed_query("same")
    await embedder.embed_passages(["same"])
    assert inner.asked == ["same"]


async def test_what_is_known_is_there_while_the_server_is_down(
    embedder: CachedEmbedder, inner: Counting
) -> None:
    await embedder.embed_passages(["known"])
    inner.is_down = True
    await embedder.embed_query("known")
    with pytest.raises(DocuQueryError):
        await embedder.embed_passages(["known", "unknown"])
