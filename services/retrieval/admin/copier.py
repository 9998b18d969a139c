"""Copies one store into another, whatever their engines, with the same vectors or with new ones.

A document that stands in the target as it stands in the source is passed over, and of one that was begun
only the missing chunks are made: a copy that was interrupted goes on, and a second copy brings over what
has changed. In the target a document is seen when all of it is there, as after an upload.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.retrieval.admin.console import AdminError
from services.retrieval.admin.vectors import Vectors
from services.retrieval.attempts.lease import ABANDONED
from services.retrieval.model import ChunkKey, DocumentRecord, LiveVersion, Status
from services.retrieval.store.protocol import TextBlock, Totals
from services.retrieval.store.stores import Stores
from services.retrieval.store.walk import NO_LEASE_ENDED, records_of

# Embedded and written at once: some requests' worth for an embedder behind an API, 2 MB of vectors.
_BATCH_CHUNKS = 512
_PAGE_RECORDS = 500
# Of 8,192 characters each.
_BATCH_BLOCKS = 64
_ERASE_POINTS = 1024


@dataclass(slots=True)
class Copied:
    """What a copy did."""

    documents: int = 0
    """Written; the others stood there already."""
    chunks: int = 0
    removed: int = 0
    """Documents of the target that the source no longer has."""
    kept: int = 0
    """Documents that are newer in the target, left alone."""
    only_in_target: int = 0
    """Documents the source has not, left alone."""


class StoreCopier:
    """Copies `source` into `target`; nobody else writes to either meanwhile."""

    def __init__(
        self,
        source: Stores,
        target: Stores,
        vectors: Vectors,
        *,
        prune: bool,
        on_chunks: Callable[[int], None],
    ) -> None:
        """`prune`: the target ends as the source is, what it has besides is removed; else that stays.

        `on_chunks` hears of every number of chunks dealt with.
        """
        self._source = source
        self._target = target
        self._vectors = vectors
        self._prune = prune
        self._on_chunks = on_chunks
        self._copied = Copied()

    async def copy(self, tenants: Sequence[str]) -> Copied:
        """Copies these tenants.

        Raises AdminError when a document of the source is incomplete or the copy differs in the end, and
        what the stores and the embedder raise.
        """
        for tenant in tenants:
            group: list[DocumentRecord] = []
            size = 0
            async for record in records_of(self._source, tenant):
                group.append(record)
                size += record.live.chunk_count if record.live else 0
                if size >= _BATCH_CHUNKS or len(group) >= _PAGE_RECORDS:
                    await self._copy_group(tenant, group)
                    group, size = [], 0
            await self._copy_group(tenant, group)
            await self._settle_extra(tenant)
            await self._erase_unreferenced(tenant)
            if not (self._copied.kept or self._copied.only_in_target):
                await self._require_equal(tenant)
        await self._target.upkeep.flush()
        return self._copied

    async def _copy_group(self, tenant: str, records: Sequence[DocumentRecord]) -> None:
        """Copies documents, their chunks in common batches."""
        wanted: list[tuple[DocumentRecord, DocumentRecord | None]] = []
        for record in records:
            moved = _ended(record)
            present = await self._target.records.get(tenant, record.document_id)
            if present == moved:
                self._on_chunks(record.live.chunk_count if record.live else 0)
            elif present and not self._prune and present.update_time > moved.update_time:
                self._copied.kept += 1
                self._on_chunks(record.live.chunk_count if record.live else 0)
            else:
                wanted.append((moved, present))
        lives = [record.live for record, _ in wanted if record.live]
        for live in lives:
            await self._copy_text(tenant, live)
        keys = [ChunkKey(live.attempt_id, ordinal) for live in lives for ordinal in range(live.chunk_count)]
        for start in range(0, len(keys), _BATCH_CHUNKS):
            await self._copy_chunks(tenant, keys[start : start + _BATCH_CHUNKS])
        for record, present in wanted:
            expected = present.revision if present else None
            if not await self._target.records.put(tenant, record, expected_revision=expected):
                raise AdminError(
                    f"Document {record.document_id} of tenant {tenant} was written by somebody else in the "
                    "target. Stop what uses the target, and run the same command again."
                )
            self._copied.documents += 1

    async def _copy_text(self, tenant: str, live: LiveVersion) -> None:
        extents = await self._source.texts.extents(tenant, live.attempt_id)
        for at in range(0, len(extents), _BATCH_BLOCKS):
            starts = {start for start, _ in extents[at : at + _BATCH_BLOCKS]}
            end = max(end for _, end in extents[at : at + _BATCH_BLOCKS])
            found = await self._source.texts.read(tenant, live.attempt_id, min(starts), end)
            blocks: list[TextBlock] = [block for block in found if block.span.char_start in starts]
            await self._target.texts.write(tenant, live.attempt_id, blocks)

    async def _copy_chunks(self, tenant: str, keys: Sequence[ChunkKey]) -> None:
        present = await self._target.chunks.existing(tenant, keys)
        missing = [key for key in keys if key not in present]
        if missing:
            made = await self._vectors.of(tenant, missing)
            await self._target.chunks.write(tenant, made)
        self._copied.chunks += len(missing)
        self._on_chunks(len(keys))

    async def _settle_extra(self, tenant: str) -> None:
        """Removes, or counts, what the target has and the source has not."""
        extra = [
            record
            async for record in records_of(self._target, tenant)
            if await self._source.records.get(tenant, record.document_id) is None
        ]
        if not self._prune:
            self._copied.only_in_target += len(extra)
            return
        for record in extra:
            await self._target.records.remove(tenant, record.document_id, expected_revision=record.revision)
            self._copied.removed += 1

    async def _erase_unreferenced(self, tenant: str) -> None:
        for attempt_id in await self._target.upkeep.unreferenced(tenant):
            while await self._target.upkeep.erase(tenant, attempt_id, _ERASE_POINTS):
                pass

    async def _require_equal(self, tenant: str) -> None:
        there = _live_part(await self._target.records.totals(tenant, NO_LEASE_ENDED))
        here = _live_part(await self._source.records.totals(tenant, NO_LEASE_ENDED))
        if there != here:
            raise AdminError(
                f"The copy of tenant {tenant} has {there.indexed_documents:,} documents of "
                f"{there.chunks:,} chunks, the store has {here.indexed_documents:,} of {here.chunks:,}. "
                "Go on with the old store. Run `docuquery admin check`, then the same command again."
            )


def _ended(record: DocumentRecord) -> DocumentRecord:
    """The record with its attempt closed: what an open one has stored so far is not copied."""
    if not record.attempt.is_open:
        return record
    return replace(record, attempt=replace(record.attempt, status=Status.FAILED, error=ABANDONED))


def _live_part(totals: Totals) -> Totals:
    return replace(totals, processing_documents=0, failed_documents=0)
