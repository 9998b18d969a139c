"""Records and text in Qdrant Edge."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import qdrant_edge as edge

from services.retrieval.attempts.lease import as_of
from services.retrieval.filtering.conditions import predicate
from services.retrieval.model import DocumentRecord
from services.retrieval.store.edge.engine import engine_errors, match, scroll
from services.retrieval.store.edge.points import touching
from services.retrieval.store.edge.tenant import KIND_RECORD, KIND_TEXT, EdgeTenants
from services.retrieval.store.payloads import (
    block_from_payload,
    block_to_payload,
    record_to_payload,
    to_microseconds,
)
from services.retrieval.store.protocol import Cursor, DocumentQuery, TextBlock, Totals

# Records looked at between two turns of the event loop: about 2 ms with a filter.
_PAGE_SCAN = 1000


class EdgeRecordStore:
    """Implements `RecordStore`: the engine keeps the records, the catalogue answers."""

    def __init__(self, tenants: EdgeTenants) -> None:
        self._tenants = tenants

    async def get(self, tenant: str, document_id: str) -> DocumentRecord | None:
        opened = self._tenants.find(tenant)
        return opened.catalogue.get(document_id) if opened else None

    async def live(
        self,
        tenant: str,
        attempt_ids: Collection[str],
        deciding: Collection[str] | None = None,  # noqa: ARG002 # as the seam has it: all are sure
    ) -> Mapping[str, DocumentRecord]:
        opened = self._tenants.find(tenant)
        return opened.catalogue.live(attempt_ids) if opened else {}

    async def still_open(self, tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        opened = {record.attempt.attempt_id: record for record in await self.open_attempts(tenant)}
        return {attempt_id: opened[attempt_id] for attempt_id in attempt_ids if attempt_id in opened}

    async def put(self, tenant: str, record: DocumentRecord, *, expected_revision: int | None) -> bool:
        opened = self._tenants.find_or_create(tenant)
        # Nothing waits between the check and the writes, so nobody comes between.
        current = opened.catalogue.get(record.document_id)
        if (current.revision if current else None) != expected_revision:
            return False
        if not opened.slots.take(record.attempt.attempt_id):
            return False  # the caller tries again with a new attempt
        payload = {"kind": KIND_RECORD, "record": record_to_payload(record)}
        point = edge.Point(record.document_id, {}, payload)
        opened.update_documents(edge.UpdateOperation.upsert_points([point]), 1)
        opened.catalogue.put(record)
        self._tenants.warn_if_large(opened)
        opened.written.record_changed(current, record)
        return True

    async def remove(self, tenant: str, document_id: str, *, expected_revision: int) -> bool:
        opened = self._tenants.find(tenant)
        current = opened.catalogue.get(document_id) if opened else None
        if opened is None or current is None or current.revision != expected_revision:
            return False
        opened.update_documents(edge.UpdateOperation.delete_points([document_id]), 1)
        opened.catalogue.remove(document_id)
        opened.written.record_changed(current, None)
        return True

    async def page(
        self, tenant: str, query: DocumentQuery, after: Cursor | None, limit: int
    ) -> Sequence[DocumentRecord]:
        opened = self._tenants.find(tenant)
        found: list[DocumentRecord] = []
        if opened is None:
            return found
        passes_filter = predicate(query.filter)
        while True:
            records = opened.catalogue.after(after, _PAGE_SCAN)
            for stored in records:
                record = as_of(stored, query.now)
                if (
                    (not query.statuses or record.status in query.statuses)
                    and (not query.types or record.description.type in query.types)
                    and passes_filter(record)
                ):
                    found.append(record)
                    if len(found) == limit:
                        return found
            if len(records) < _PAGE_SCAN:
                return found
            after = Cursor(to_microseconds(records[-1].create_time), records[-1].document_id)
            await asyncio.sleep(0)

    async def totals(self, tenant: str, now: datetime) -> Totals:
        opened = self._tenants.find(tenant)
        return opened.catalogue.totals(now) if opened else Totals()

    async def languages(self, tenant: str) -> Mapping[str, int]:
        opened = self._tenants.find(tenant)
        return opened.catalogue.languages if opened else {}

    async def open_attempts(self, tenant: str) -> Sequence[DocumentRecord]:
        opened = self._tenants.find(tenant)
        return opened.catalogue.open_attempts() if opened else ()


class EdgeTextStore:
    """Implements `TextStore`."""

    def __init__(self, tenants: EdgeTenants) -> None:
        self._tenants = tenants

    async def write(self, tenant: str, attempt_id: str, blocks: Sequence[TextBlock]) -> None:
        points = [
            edge.Point(
                uuid.uuid5(uuid.UUID(attempt_id), f"text:{block.span.char_start}"),
                {},
                {"kind": KIND_TEXT, **block_to_payload(attempt_id, block)},
            )
            for block in blocks
        ]
        opened = self._tenants.to_fill(tenant)
        opened.update_documents(edge.UpdateOperation.upsert_points(points), len(points))
        written = opened.written.find(attempt_id)
        if written is not None:
            written.blocks.update((block.span.char_start, block.span.char_end) for block in blocks)

    async def read(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[TextBlock]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return ()
        wanted = edge.Filter(must=[match("attempt_id", attempt_id), *touching(char_start, char_end)])
        with engine_errors("read_text"):
            found = [r.payload for r in scroll(opened.documents, wanted, with_payload=True) if r.payload]
        return sorted(map(block_from_payload, found), key=lambda block: block.span.char_start)

    async def extents(self, tenant: str, attempt_id: str) -> Sequence[tuple[int, int]]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return ()
        written = opened.written.find(attempt_id)
        if written is not None:
            return sorted(written.blocks.items())
        wanted = edge.Filter(must=[match("attempt_id", attempt_id)])
        keys = ["char_start", "char_end"]
        with engine_errors("text_extents"):
            found = [r.payload for r in scroll(opened.documents, wanted, with_payload=keys) if r.payload]
        return sorted((payload["char_start"], payload["char_end"]) for payload in found)
