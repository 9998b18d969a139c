"""Where the vectors of a copy come from: as they are stored, or made anew from the stored chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from libs.clock import Clock, SystemClock
from libs.errors import DocuQueryError
from services.retrieval.admin.console import AdminError, note
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.indexing import contextual_text
from services.retrieval.model import ChunkKey
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.protocol import ChunkStore, EmbeddedChunk

# A model behind a network that cannot be reached for so many tries of so many seconds is not coming back by
# itself; what was embedded until then stays.
_MAX_TRIES = 30
_PAUSE_SECONDS = 10.0
# A remote embedder bounds what it has under way itself.
_BATCHES_AT_ONCE = 8


class Vectors:
    """Gives chunks their vectors."""

    def __init__(
        self,
        chunks: ChunkStore,
        embedder: Embedder | None = None,
        encoder: Bm25Encoder | None = None,
        clock: Clock | None = None,
    ) -> None:
        """With an `embedder` the dense vectors are made anew, with an `encoder` the word vectors."""
        self._chunks = chunks
        self._embedder = embedder
        self._encoder = encoder
        self._clock = clock or SystemClock()

    async def of(self, tenant: str, keys: Sequence[ChunkKey]) -> Sequence[EmbeddedChunk]:
        """The chunks in the order of `keys`. Raises AdminError when one is missing, EMBEDDER_UNAVAILABLE."""
        stored = await self._chunks.embedded(tenant, keys)
        missing = [key for key in keys if key not in stored]
        if missing:
            raise AdminError(
                f"{len(missing)} chunks of tenant {tenant} are missing (the first is number "
                f"{missing[0].ordinal} of attempt {missing[0].attempt_id}). `docuquery admin check` names "
                "the document; delete it or upload it again, then run the same command again."
            )
        found = [stored[key] for key in keys]
        texts = [contextual_text(item.chunk) for item in found]
        if self._embedder is not None:
            rows = await self._embed(self._embedder, texts)
            found = [replace(item, dense=row) for item, row in zip(found, rows, strict=True)]
        if self._encoder is not None:
            encode = self._encoder.document
            found = [
                replace(item, sparse=encode(text, item.chunk.language))
                for item, text in zip(found, texts, strict=True)
            ]
        return found

    async def _embed(self, embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
        """All of them, in batches of the embedder's size; one that fails is repeated by itself."""
        size = embedder.batch_texts
        turns = asyncio.Semaphore(_BATCHES_AT_ONCE)

        async def embed(batch: Sequence[str]) -> NDArray[np.float32]:
            async with turns:
                return await self._embed_batch(embedder, batch)

        tasks = [
            asyncio.ensure_future(embed(texts[start : start + size])) for start in range(0, len(texts), size)
        ]
        try:
            return np.concatenate(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _embed_batch(self, embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
        for left in reversed(range(_MAX_TRIES)):
            try:
                return await embedder.embed_passages(texts)
            except DocuQueryError as error:
                if not error.retryable or not left:
                    raise
                pause = error.retry_after_seconds or _PAUSE_SECONDS
                note(f"{error.message} Next try in {pause:.0f} s.")
            await self._clock.sleep(pause)
        raise AssertionError("the last try returns or raises")
