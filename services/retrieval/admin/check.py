"""Checking a store: are all chunks and the whole text of every document there, and do they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from services.retrieval.attempts.completeness import first_gap
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord, LiveVersion
from services.retrieval.store.stores import Stores
from services.retrieval.store.walk import records_of

_BATCH_CHUNKS = 512
_MAX_FAULTS_PER_DOCUMENT = 3


@dataclass(slots=True)
class TenantReport:
    """What was found of one tenant."""

    tenant: str
    documents: int = 0
    live: int = 0
    chunks_recorded: int = 0
    """As the records of live versions say."""
    chunks_stored: int = 0
    characters: int = 0
    open_attempts: int = 0
    leftovers: int = 0
    """Attempts no record names, left by a crash: swept at the next start of the service."""
    lacking: int = 0
    """Chunks without one of their vectors: the service makes them in the background."""
    faults: list[str] = field(default_factory=list)
    """One sentence each, the document named."""


async def check_tenant(stores: Stores, tenant: str, on_chunks: Callable[[int], None]) -> TenantReport:
    """Reads everything of a tenant; `on_chunks` hears of every number of chunks checked."""
    report = TenantReport(tenant)
    async for record in records_of(stores, tenant):
        report.documents += 1
        report.open_attempts += record.attempt.is_open
        if record.live is None:
            continue
        report.live += 1
        report.chunks_recorded += record.live.chunk_count
        report.characters += record.live.character_count
        faults = await _check_live(stores, tenant, record, record.live, report)
        report.faults.extend(
            f"{record.source} ({record.document_id}): {fault}" for fault in faults[:_MAX_FAULTS_PER_DOCUMENT]
        )
        on_chunks(record.live.chunk_count)
    report.leftovers = len(await stores.upkeep.unreferenced(tenant))
    return report


async def _check_live(
    stores: Stores, tenant: str, record: DocumentRecord, live: LiveVersion, report: TenantReport
) -> list[str]:
    attempt_id = live.attempt_id
    stored = await stores.chunks.count(tenant, attempt_id)
    report.chunks_stored += stored
    faults = []
    if stored != live.chunk_count:
        faults.append(f"{stored} chunks are stored, its record says {live.chunk_count}")
    extents = await stores.texts.extents(tenant, attempt_id)
    gap = first_gap(extents, live.character_count)
    if gap is not None:
        faults.append(f"its text has a gap at character {gap} of {live.character_count}")
    if len(extents) != live.text_block_count:
        faults.append(f"{len(extents)} blocks of text are stored, its record says {live.text_block_count}")
    text = await _Text.read(stores, tenant, attempt_id)
    ordinals = iter(range(live.chunk_count))
    while batch := list(islice(ordinals, _BATCH_CHUNKS)):
        keys = [ChunkKey(attempt_id, ordinal) for ordinal in batch]
        found = await stores.chunks.embedded(tenant, keys)
        missing = [key.ordinal for key in keys if key not in found]
        if missing:
            faults.append(f"{len(missing)} chunks are missing, the first is number {missing[0]}")
        for item in found.values():
            if item.dense is None or item.sparse is None:
                report.lacking += 1
            elif not np.isfinite(item.dense).all():
                faults.append(f"chunk {item.chunk.key.ordinal} has a vector of no finite numbers")
            if item.chunk.document_id != record.document_id:
                faults.append(f"chunk {item.chunk.key.ordinal} says it is of {item.chunk.document_id}")
            elif not text.holds(item.chunk):
                faults.append(f"chunk {item.chunk.key.ordinal} is not what the text says at its place")
    return faults


class _Text:
    """The text of one version; where blocks overlap they say the same, or the chunk check finds out."""

    def __init__(self, starts: list[int], texts: list[str]) -> None:
        self._starts = starts
        self._texts = texts

    @classmethod
    async def read(cls, stores: Stores, tenant: str, attempt_id: str) -> _Text:
        extents = await stores.texts.extents(tenant, attempt_id)
        end = max((end for _, end in extents), default=0)
        blocks = await stores.texts.read(tenant, attempt_id, 0, end) if end else ()
        return cls([block.span.char_start for block in blocks], [block.text for block in blocks])

    def holds(self, chunk: Chunk) -> bool:
        """Whether the chunk is the text at its place."""
        start, end = chunk.span.char_start, chunk.span.char_end
        parts = []
        for at, text in zip(self._starts, self._texts, strict=True):
            if at <= start < at + len(text):
                piece = text[start - at : end - at]
                parts.append(piece)
                start += len(piece)
                if start == end:
                    break
        return "".join(parts) == chunk.text
