"""Where the vectors of a copy come from: as they are stored, or made anew from the stored chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from libs.clock import Clock, SystemClock
from services.retrieval.admin.console import AdminError, note
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.model import ChunkKey
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.vectors import SpaceVectors
from services.retrieval.store.protocol import ChunkStore
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.terms.bm25 import Bm25Encoder

MAX_TRIES = 30
"""A model behind a network that cannot be reached for so many tries of so many seconds is not coming back by
itself; what was embedded until then stays."""
BATCHES_AT_ONCE = 8
"""A remote embedder bounds what it has under way itself."""


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
        self._has_new_dense = embedder is not None
        self._has_new_terms = encoder is not None
        self._made = SpaceVectors(embedder, encoder)
        self._patience = Patience(clock or SystemClock(), note, MAX_TRIES)

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
        return await self._completed([self._bare(stored[key]) for key in keys])

    def _bare(self, item: EmbeddedChunk) -> EmbeddedChunk:
        return replace(
            item,
            dense=None if self._has_new_dense else item.dense,
            sparse=None if self._has_new_terms else item.sparse,
        )

    async def _completed(self, items: Sequence[EmbeddedChunk]) -> Sequence[EmbeddedChunk]:
        """All of them, in batches of the embedder's size; one that fails is repeated by itself."""
        size = self._made.batch_texts
        turns = asyncio.Semaphore(BATCHES_AT_ONCE)

        async def complete(batch: Sequence[EmbeddedChunk]) -> list[EmbeddedChunk]:
            async with turns:
                return await self._patience.with_retries(lambda: self._made.complete(batch))

        tasks = [
            asyncio.ensure_future(complete(items[start : start + size]))
            for start in range(0, len(items), size)
        ]
        try:
            return list(chain.from_iterable(await asyncio.gather(*tasks)))
        finally:
            for task in tasks:
                task.cancel()
