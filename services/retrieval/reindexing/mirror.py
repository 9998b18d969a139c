"""Writing to every space of a store: what one process stores, those of all spaces can search at once.

A process makes the vectors of its own space. In another one it writes a chunk with the terms, which need no
model, and with the dense vector where it has the embedder; what is lacking is filled in by the processes of
that space. So a document that is INDEXED is found in every space: by its words at once, by its meaning when
those have got round to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from libs.errors import DocuQueryError
from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.reindexing.vectors import SpaceVectors, without_foreign
from services.retrieval.store.protocol import ChunkStore
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores

_BATCH_CHUNKS = 256


class Mirror:
    """Implements `ChunkWriter`; `settle` is what `Documents` has done before a commit."""

    def __init__(self, stores: Stores, vectors_of: Callable[[VectorSpace], SpaceVectors]) -> None:
        """`vectors_of`: what this process can make of a space's vectors."""
        self._spaces = stores.spaces
        self._vectors_of = vectors_of

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        """Stores chunks of the own space, and the same chunks in the others."""
        own = self._spaces.own
        await self._spaces.chunks(own).write(tenant, chunks)
        for space in self._others():
            await self._write(space, tenant, [without_foreign(item, own, space) for item in chunks])

    async def settle(self, tenant: str, attempt_id: str) -> None:
        """Before an attempt is committed: has every space hold the chunks that any of them holds.

        Some may have been written before a space was there, or by a process that did not know of it.
        """
        others = self._others()
        if not others:
            return
        try:
            await self._settle(tenant, attempt_id, others)
        except DocuQueryError:
            await self._spaces.refresh()
            if self._others() == others:
                raise
            await self._settle(tenant, attempt_id, self._others())  # one was left meanwhile

    async def _settle(self, tenant: str, attempt_id: str, others: Sequence[VectorSpace]) -> None:
        stores = {space: self._spaces.chunks(space) for space in (self._spaces.own, *others)}
        counts = [await chunks.count(tenant, attempt_id) for chunks in stores.values()]
        if len(set(counts)) == 1:  # nearly always, and a count costs less than how far they reach
            return
        extents = [await chunks.extent(tenant, attempt_id) for chunks in stores.values()]
        highest = max(extent.highest_ordinal for extent in extents)
        for start in range(0, highest + 1, _BATCH_CHUNKS):
            end = min(start + _BATCH_CHUNKS, highest + 1)
            await self._level(tenant, stores, [ChunkKey(attempt_id, i) for i in range(start, end)])

    async def _level(
        self, tenant: str, stores: Mapping[VectorSpace, ChunkStore], keys: Sequence[ChunkKey]
    ) -> None:
        held = {space: await chunks.fetch(tenant, keys) for space, chunks in stores.items()}
        anywhere: dict[ChunkKey, Chunk] = {k: chunk for found in held.values() for k, chunk in found.items()}
        for space, found in held.items():
            missing = [
                EmbeddedChunk(chunk, None, None) for key, chunk in anywhere.items() if key not in found
            ]
            if missing:
                await self._write(space, tenant, missing)

    async def _write(self, space: VectorSpace, tenant: str, items: Sequence[EmbeddedChunk]) -> None:
        try:
            # An ingest repeats what it is not sure of; what is whole there must not be written over by less.
            keys = [item.chunk.key for item in items]
            whole = await self._spaces.chunks(space).existing(tenant, keys) if self._is_kept(space) else keys
            lacking = [item for item in items if item.chunk.key not in whole]
            made = await self._vectors_of(space).complete_if_possible(lacking)
            if self._is_kept(space):
                await self._spaces.chunks(space).write(tenant, made)
        except DocuQueryError:
            await self._spaces.refresh()
            if self._is_kept(space):
                raise

    def _is_kept(self, space: VectorSpace) -> bool:
        return self._spaces.kept.find(space) is not None

    def _others(self) -> list[VectorSpace]:
        own = self._spaces.own
        return [kept.space for kept in self._spaces.kept.all if kept.space != own]
