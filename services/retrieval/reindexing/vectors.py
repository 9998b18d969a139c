"""Making the vectors that stored chunks have not got in a space."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from libs.errors import DocuQueryError
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.indexing.indexer import contextual_text
from services.retrieval.model import ChunkKey
from services.retrieval.store.protocol import ChunkStore
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.terms.bm25 import LANGUAGES, Bm25Encoder

log = structlog.get_logger()

# Between two turns of the event loop: about 2 ms.
_TURN_TEXTS = 32


class SpaceVectors:
    """Makes the vectors of one space, as far as this process can."""

    def __init__(self, embedder: Embedder | None, encoder: Bm25Encoder | None) -> None:
        """None: those cannot be made here."""
        self._embedder = embedder
        self._encoder = encoder

    @property
    def batch_texts(self) -> int:
        """How many chunks to hand over at a time."""
        return self._embedder.batch_texts if self._embedder else _TURN_TEXTS

    async def complete(self, items: Sequence[EmbeddedChunk]) -> list[EmbeddedChunk]:
        """The items with what they lack, where it can be made. Raises EMBEDDER_UNAVAILABLE."""
        return await self._with_terms_made(await self._with_dense_made(items))

    async def complete_if_possible(self, items: Sequence[EmbeddedChunk]) -> list[EmbeddedChunk]:
        """As `complete`, but while the embedder is down only terms are made."""
        try:
            items = await self._with_dense_made(items)
        except DocuQueryError as error:
            log.info("embedder_left_out", message=error.message)
        return await self._with_terms_made(items)

    async def _with_dense_made(self, items: Sequence[EmbeddedChunk]) -> list[EmbeddedChunk]:
        made = list(items)
        lacking = [i for i, item in enumerate(items) if item.dense is None]
        if self._embedder is None:
            return made
        size = self._embedder.batch_texts
        for start in range(0, len(lacking), size):
            batch = lacking[start : start + size]
            rows = await self._embedder.embed_passages([contextual_text(items[i].chunk) for i in batch])
            for i, row in zip(batch, rows, strict=True):
                made[i] = replace(items[i], dense=row)
        return made

    async def _with_terms_made(self, items: Sequence[EmbeddedChunk]) -> list[EmbeddedChunk]:
        made = []
        for number, item in enumerate(items, start=1):
            if item.sparse is None and self._encoder is not None:
                text = contextual_text(item.chunk)
                item = replace(item, sparse=self._encoder.document(text, item.chunk.language))
            made.append(item)
            if number % _TURN_TEXTS == 0:
                await asyncio.sleep(0)
        return made


def without_foreign(item: EmbeddedChunk, source: VectorSpace, target: VectorSpace) -> EmbeddedChunk:
    """A chunk of the space `source` with those of its vectors that mean the same in `target`."""
    return replace(
        item,
        dense=item.dense if source.has_same_dense(target) else None,
        sparse=item.sparse if source.sparse == target.sparse else None,
    )


async def read_for(
    target: VectorSpace, source: VectorSpace, chunks: ChunkStore, tenant: str, keys: Sequence[ChunkKey]
) -> Mapping[ChunkKey, EmbeddedChunk]:
    """Chunks of the space `source`, as `without_foreign` leaves them for `target`."""
    if source.has_same_dense(target) or source.sparse == target.sparse:
        stored = await chunks.embedded(tenant, keys)
        return {key: without_foreign(item, source, target) for key, item in stored.items()}
    found = await chunks.fetch(tenant, keys)
    return {key: EmbeddedChunk(chunk, None, None) for key, chunk in found.items()}


def encoder_of(sparse: str) -> Bm25Encoder | None:
    """What makes the terms of a space's word index; None when that is of another version of this program."""
    encoder = nearest_encoder(sparse)
    return encoder if encoder is not None and encoder.name == sparse else None


def nearest_encoder(sparse: str) -> Bm25Encoder | None:
    """What makes terms of the same language, most of which are those of any version; None without one."""
    language = sparse.split("/")[1] if "/" in sparse else ""
    return Bm25Encoder(language) if language in LANGUAGES else None
