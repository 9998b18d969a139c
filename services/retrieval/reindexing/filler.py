"""Filling a vector space: every live version gets into it whole, whoever wrote it and wherever.

What is there is not made again, so a filling that was killed goes on, and one that is done costs a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import structlog

from libs.clock import Clock
from services.retrieval.model import ChunkKey, DocumentRecord
from services.retrieval.reindexing.pace import Pace
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.tally import Tally
from services.retrieval.reindexing.vectors import SpaceVectors, read_for
from services.retrieval.store.payloads import lacks_of
from services.retrieval.store.progress import FillProgress
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.stores import Stores
from services.retrieval.store.walk import live_chunks, live_documents, records_of

log = structlog.get_logger()

# Small documents are looked at, embedded and written together.
_GROUP_CHUNKS = 1024
_GROUP_ATTEMPTS = 256
# Read and embedded at once, at most: some milliseconds of an engine in this process.
_MOST_BATCH_CHUNKS = 256
# Written at once where the engine holds up everything else meanwhile, about 3 ms.
_WRITTEN_AT_ONCE = 32
_ERASE_POINTS = 128


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What is to be in the space."""

    document_id: str
    attempt_id: str
    chunk_count: int
    is_live: bool


@dataclass(slots=True)
class Pass:
    """What one look at everything brought."""

    absent: int = 0
    """Chunks that were not in the space at all."""
    made: int = 0
    """Chunks that were written: those, and others that lacked a vector."""
    left: int = 0
    """Chunks that lack a vector still."""


class SpaceFiller:
    """Fills the own space of `stores`."""

    def __init__(
        self,
        stores: Stores,
        vectors: SpaceVectors,
        clock: Clock,
        *,
        patience: Patience,
        pace: Pace,
        batches_at_once: int,
        grace_seconds: float,
        on_progress: Callable[[FillProgress], None] = lambda _: None,
    ) -> None:
        """`batches_at_once`: requests to the embedder; `grace_seconds`: longer than any search takes."""
        self._stores = stores
        self._own = stores.spaces.chunks(stores.spaces.own)
        self._vectors = vectors
        self._clock = clock
        self._patience = patience
        self._pace = pace
        self._batches_at_once = batches_at_once
        self._grace_seconds = grace_seconds
        self._on_progress = on_progress
        self._tally = Tally()
        self._gone: list[tuple[str, str]] = []

    @property
    def filled(self) -> Mapping[str, AbstractSet[str]]:
        """Tenant → attempts known to be in the space whole."""
        return self._tally.attempts

    @property
    def progress(self) -> FillProgress:
        """How far it is."""
        return self._tally.progress(self._clock.monotonic())

    async def fill(self, *, waits: bool = True) -> Pass:
        """Goes through all documents once.

        Without `waits` what an embedder that is down has not made is left for later: its terms are there.
        Raises what the stores and the embedder raise, at last.
        """
        found = Pass()
        tenants = await self._stores.upkeep.tenants()
        self._tally.begin(
            await live_documents(self._stores, tenants),
            await live_chunks(self._stores, tenants),
            self._clock.monotonic(),
        )
        for tenant in tenants:
            await self._fill_tenant(tenant, found, waits=waits)
        await self._erase_gone()
        return found

    async def fill_lacking(self) -> Pass:
        """Gives chunks that lack a vector the vector, as far as the embedder is up. Reads nothing else."""
        found = Pass()
        for tenant in await self._stores.spaces.own_lacking.tenants_lacking():
            attempts = await self._stores.spaces.own_lacking.lacking(tenant)
            live = await self._stores.records.live(tenant, attempts)
            # Of open attempts there may be more in a moment, and strays are not worth it.
            group = [_live(record) for record in live.values()]
            await self._fill_group(tenant, [attempt for attempt in group if attempt], found, waits=False)
        await self._erase_gone()
        return found

    async def _fill_tenant(self, tenant: str, found: Pass, *, waits: bool) -> None:
        tally = self._tally
        known = {} if tally.of(tenant) else await self._stores.spaces.own_lacking.known_complete(tenant)
        seen = set()
        group: list[_Attempt] = []
        size = 0
        async for record in records_of(self._stores, tenant):
            for attempt in await self._wanted(tenant, record):
                seen.add(attempt.attempt_id)
                if attempt.is_live and known.get(attempt.attempt_id, -1) >= attempt.chunk_count:
                    tally.add(tenant, attempt.attempt_id, attempt.chunk_count)
                if attempt.attempt_id in tally.of(tenant):
                    continue
                group.append(attempt)
                size += attempt.chunk_count
                if size >= _GROUP_CHUNKS or len(group) >= _GROUP_ATTEMPTS:
                    await self._fill_group(tenant, group, found, waits=waits)
                    group, size = [], 0
        await self._fill_group(tenant, group, found, waits=waits)
        tally.keep_only(tenant, seen)

    async def _wanted(self, tenant: str, record: DocumentRecord) -> Sequence[_Attempt]:
        """The live version, and what an open attempt has stored so far."""
        wanted = [attempt for attempt in (_live(record),) if attempt]
        token = record.attempt.attempt_id
        others = self._stores.spaces.kept.others
        if record.attempt.is_open and others and (record.live is None or record.live.attempt_id != token):
            extents = [
                await self._stores.spaces.chunks(kept.space).extent(tenant, token)
                for kept in self._stores.spaces.kept.all
            ]
            highest = max(extent.highest_ordinal for extent in extents)
            wanted.append(_Attempt(record.document_id, token, highest + 1, is_live=False))
        return wanted

    async def _fill_group(self, tenant: str, group: Sequence[_Attempt], found: Pass, *, waits: bool) -> None:
        if not group:
            return
        lost, lacking = await self._fill_chunks(tenant, group, found, waits=waits)
        still_live = await self._stores.records.live(tenant, [a.attempt_id for a in group if a.is_live])
        self._tally.under_way = 0
        for attempt in group:
            if attempt.attempt_id in still_live:
                if attempt.attempt_id not in lacking:
                    self._tally.add(tenant, attempt.attempt_id, attempt.chunk_count)
                if attempt.attempt_id in lost:
                    log.error(
                        "chunks_missing",
                        missing_tenant=tenant,
                        document_id=attempt.document_id,
                        advice="They are in no vector space. Delete the document, or upload it again.",
                    )
            elif attempt.is_live or not await self._is_open(tenant, attempt):
                self._gone.append((tenant, attempt.attempt_id))
        await self._tell()

    async def _fill_chunks(
        self, tenant: str, group: Sequence[_Attempt], found: Pass, *, waits: bool
    ) -> tuple[AbstractSet[str], AbstractSet[str]]:
        """Returns attempts of which a chunk is in no space, and those of which one lacks a vector still."""
        keys = [ChunkKey(attempt.attempt_id, i) for attempt in group for i in range(attempt.chunk_count)]
        size = min(self._vectors.batch_texts, _MOST_BATCH_CHUNKS)
        turns = asyncio.Semaphore(self._batches_at_once)
        lost: set[str] = set()
        lacking: set[str] = set()

        async def make(batch: Sequence[ChunkKey]) -> None:
            missing = await self._missing(tenant, batch)
            items = await self._gathered(tenant, missing, found)
            lost.update(key.attempt_id for key in missing if key not in items)
            complete = self._vectors.complete if waits else self._vectors.complete_if_possible
            made = await complete([item for item, _ in items.values()])
            still = [item for item in made if lacks_of(item)]
            lacking.update(item.chunk.key.attempt_id for item in still)
            found.left += len(still)
            news = [item for item in made if not _is_there(item, *items[item.chunk.key])]
            await self._write(tenant, news, found)

        async def fill(batch: Sequence[ChunkKey]) -> None:
            async with turns:
                await (self._patience.with_retries(lambda: make(batch)) if waits else make(batch))
            self._tally.under_way += len(batch)
            await self._tell()

        try:
            async with asyncio.TaskGroup() as tasks:
                for start in range(0, len(keys), size):
                    tasks.create_task(fill(keys[start : start + size]))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return lost, lacking

    async def _missing(self, tenant: str, keys: Sequence[ChunkKey]) -> Sequence[ChunkKey]:
        existing = await self._own.existing(tenant, keys)
        return [key for key in keys if key not in existing]

    async def _write(self, tenant: str, items: Sequence[EmbeddedChunk], found: Pass) -> None:
        at_once = _MOST_BATCH_CHUNKS if self._stores.is_shared else _WRITTEN_AT_ONCE
        for start in range(0, len(items), at_once):
            part = items[start : start + at_once]
            began = self._clock.monotonic()
            await self._own.write(tenant, part)
            found.made += len(part)
            self._tally.made += len(part)
            await self._pace.after(len(part), self._clock.monotonic() - began)

    async def _gathered(
        self, tenant: str, keys: Sequence[ChunkKey], found: Pass
    ) -> Mapping[ChunkKey, tuple[EmbeddedChunk, bool]]:
        """The chunks from wherever they are, with the vectors that mean the same in the own space.

        And for each whether it is in the own space like that.
        """
        spaces = self._stores.spaces
        began = self._clock.monotonic()
        own = await self._own.embedded(tenant, keys) if keys else {}
        items = {key: (item, True) for key, item in own.items()}
        found.absent += len(keys) - len(items)
        for kept in spaces.kept.all:
            rest = [key for key in keys if key not in items]
            if rest and kept.space != spaces.own:
                read = await read_for(spaces.own, kept.space, spaces.chunks(kept.space), tenant, rest)
                items |= {key: (item, False) for key, item in read.items()}
        await self._pace.after(0, self._clock.monotonic() - began)
        return items

    async def _is_open(self, tenant: str, attempt: _Attempt) -> bool:
        record = await self._stores.records.get(tenant, attempt.document_id)
        if record is None:
            return False
        is_live = record.live is not None and record.live.attempt_id == attempt.attempt_id
        return is_live or (record.attempt.attempt_id == attempt.attempt_id and record.attempt.is_open)

    async def _erase_gone(self) -> None:
        """What was replaced or deleted while it was written may have been written after it was deleted."""
        gone, self._gone = self._gone, []
        if gone:
            await self._clock.sleep(self._grace_seconds)
        for tenant, attempt_id in gone:
            erased = 1
            while erased:
                erased = await self._stores.upkeep.erase(tenant, attempt_id, _ERASE_POINTS)
                await asyncio.sleep(0)  # lets searches through

    async def _tell(self) -> None:
        progress = self.progress
        self._on_progress(progress)
        await self._stores.spaces.tell(progress)


def _live(record: DocumentRecord) -> _Attempt | None:
    if record.live is None:
        return None
    return _Attempt(record.document_id, record.live.attempt_id, record.live.chunk_count, is_live=True)


def _is_there(item: EmbeddedChunk, before: EmbeddedChunk, was_there: bool) -> bool:
    """Whether `item`, made of `before`, is stored as it is: nothing could be added to it."""
    return was_there and item is before
