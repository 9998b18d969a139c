"""An embedder that asks another one only for texts it has not seen before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.retrieval.embedders.cache import VectorCache, text_key
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.embedders.texts import refuse_blank

T = TypeVar("T")


class CachedEmbedder:
    """Implements `Embedder` over another. The cache works in `thread`, which must be a single one."""

    def __init__(self, embedder: Embedder, cache: VectorCache, thread: Executor) -> None:
        self._embedder = embedder
        self._cache = cache
        self._thread = thread

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    @property
    def batch_texts(self) -> int:
        return self._embedder.batch_texts

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        refuse_blank(texts)
        keys = [text_key(self.name, text) for text in texts]
        known = await self._in_thread(lambda: self._cache.get(list(set(keys)), self.dimensions))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            vectors = await self._embedder.embed_passages(list(missing.values()))
            known |= (new := dict(zip(missing, vectors, strict=True)))
            await self._in_thread(lambda: self._cache.put(new))
        shape = (len(texts), self.dimensions)
        return np.stack([known[key] for key in keys]) if keys else np.empty(shape, dtype=np.float32)

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        refuse_blank((text,))
        key = text_key(self.name, text)
        known = await self._in_thread(lambda: self._cache.get([key], self.dimensions))
        if key in known:
            return known[key]
        vector = await self._embedder.embed_query(text)
        await self._in_thread(lambda: self._cache.put({key: vector}))
        return vector

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
