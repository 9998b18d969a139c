"""Deleting what nobody can see any more, ending attempts whose ingest went silent, flushing."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field, replace

import structlog

from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.attempts.lease import ABANDONED, is_abandoned
from services.retrieval.documents.records import RecordEditor
from services.retrieval.model import DocumentRecord, Status
from services.retrieval.store.stores import Stores

log = structlog.get_logger()

# How often the queue and the leases are looked at.
_TICK_SECONDS = 0.5
_FLUSH_EVERY_TICKS = 10
# Points deleted at once: about 2 ms in Edge.
_ERASE_POINTS = 128


@dataclass(frozen=True, slots=True, order=True)
class _Leftover:
    due: float
    tenant: str = field(compare=False)
    attempt_id: str = field(compare=False)


class Sweeper:
    """Implements `Leftovers`. `recover` runs once at the start, `run` until it is cancelled.

    What is queued here and not yet deleted when the process ends is found again by `recover`.
    """

    def __init__(self, stores: Stores, editor: RecordEditor, clock: Clock, grace_seconds: float) -> None:
        self._records = stores.records
        self._upkeep = stores.upkeep
        self._is_shared = stores.is_shared
        self._editor = editor
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._queue: list[_Leftover] = []

    @property
    def pending(self) -> int:
        """Attempts waiting to be deleted."""
        return len(self._queue)

    def discard(self, tenant: str, attempt_id: str) -> None:
        """Deletes the attempt's chunks and text after the grace, when no search can be reading them."""
        due = self._clock.monotonic() + self._grace_seconds
        heapq.heappush(self._queue, _Leftover(due, tenant, attempt_id))

    async def recover(self) -> None:
        """Finds what a crash, or the end of an earlier process, left behind, and deletes it.

        In a store that other processes use, it goes after the grace.
        """
        for tenant in await self._upkeep.tenants_to_check():
            await self.end_abandoned(tenant)
            for attempt_id in await self._upkeep.unreferenced(tenant):
                if self._is_shared:  # a search of another process may still be reading it
                    self.discard(tenant, attempt_id)
                    continue
                points = await self._erase(tenant, attempt_id)
                log.info("leftovers_deleted", leftover_tenant=tenant, attempt_id=attempt_id, points=points)

    async def run(self) -> None:
        """Works until cancelled. What fails is logged and tried again at the next tick."""
        ticks = 0
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            ticks += 1
            try:
                await self.delete_due()
                for tenant in await self._upkeep.active_tenants():
                    await self.end_abandoned(tenant)
                if ticks % _FLUSH_EVERY_TICKS == 0:
                    await self._upkeep.flush()
            except DocuQueryError as error:
                log.warning("sweep_failed", error=str(error))
            except Exception as error:
                # A fault of ours must not end the sweeping for good, unnoticed.
                log.error("sweep_failed", exc_info=error)

    async def delete_due(self) -> None:
        """Deletes every attempt whose grace has ended."""
        while self._queue and self._queue[0].due <= self._clock.monotonic():
            leftover = heapq.heappop(self._queue)
            try:
                await self._erase(leftover.tenant, leftover.attempt_id)
            except DocuQueryError:
                self.discard(leftover.tenant, leftover.attempt_id)
                raise

    async def end_abandoned(self, tenant: str) -> None:
        """Marks attempts as failed whose lease has ended, so that their ingest cannot go on."""
        now = self._clock.now()
        for record in await self._records.open_attempts(tenant):
            if is_abandoned(record, now):
                await self._end(tenant, record)

    async def _end(self, tenant: str, seen: DocumentRecord) -> None:
        def decide(found: DocumentRecord | None) -> DocumentRecord:
            if found is None or found.revision != seen.revision:
                raise _MovedOnError  # it showed a sign of life, or is gone
            now = self._clock.now()
            failed = replace(found.attempt, status=Status.FAILED, error=ABANDONED, update_time=now)
            return replace(found, attempt=failed)

        try:
            await self._editor.change(tenant, seen.document_id, decide)
        except _MovedOnError:
            return
        log.info("attempt_abandoned", attempt_tenant=tenant, document_id=seen.document_id)
        self.discard(tenant, seen.attempt.attempt_id)

    async def _erase(self, tenant: str, attempt_id: str) -> int:
        total = 0
        while erased := await self._upkeep.erase(tenant, attempt_id, _ERASE_POINTS):
            total += erased
            # Lets searches through between two deletions.
            await asyncio.sleep(0)
        return total


class _MovedOnError(Exception):
    """The record is not the one that was looked at."""
