"""Records on a Qdrant server: one point a document, changed by compare-and-swap.

The server has no transaction, but it applies one write at a time to each copy of a point, and a write may
carry a condition. A write that builds on revision r overwrites the payload of "this id, revision r" by one
of revision r + 1 with a random token; so each copy takes exactly one of several such writes. Reading back
by quorum tells the writer whether it was its own (see `lineage`). A new record is an upsert that inserts, but
replaces nothing. A removal first overwrites the record by a mark, which tells its writer that it won, then
deletes the point. Each write may be sent again: the second finds another revision, and the same token is
read back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Group
from datetime import datetime

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.attempts.lease import as_of
from services.retrieval.filtering.conditions import predicate
from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import Payload, to_microseconds
from services.retrieval.store.protocol import Cursor, DocumentQuery, Totals
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    ALL,
    KIND_RECORD,
    MEDIUM,
    every,
    has_id,
    has_integer,
    has_one_of,
    has_text,
    only,
    record_id,
    selected,
    to_values,
    within,
)
from services.retrieval.store.server.documents.index import RecordIndex
from services.retrieval.store.server.documents.languages import ServerLanguages
from services.retrieval.store.server.documents.lineage import Lineages, has_won, is_record
from services.retrieval.store.server.documents.live import LiveRecords
from services.retrieval.store.server.documents.payloads import (
    TOTAL_FIELDS,
    integer_of,
    record_from_point,
    record_payload,
    removed_payload,
    text_of,
)
from services.retrieval.store.server.documents.selection import Selector

_PAGE_SCAN = 250
_NO_VECTORS = q.Vectors(vectors=q.NamedVectors())
_NOTHING = every(has_text("kind", "none such"))
# The mark of a removed record goes within milliseconds, unless its writer died.
_MARK_TRIES = 20
_MARK_PAUSE_SECONDS = 0.05


class ServerRecordStore:
    """Implements `RecordStore`."""

    def __init__(self, documents: Collection, index: RecordIndex, selector: Selector, clock: Clock) -> None:
        self._documents = documents
        self._index = index
        self._selector = selector
        self._clock = clock
        self._languages = ServerLanguages(documents, clock)
        self._live = LiveRecords(documents)
        self._lineages = Lineages(clock)

    async def get(self, tenant: str, document_id: str) -> DocumentRecord | None:
        point = await self._stored(record_id(tenant, document_id))
        if point is None or not is_record(point):
            return None
        record = record_from_point(point)
        self._lineages.note(point, record)
        return record

    async def live(
        self, tenant: str, attempt_ids: Group[str], deciding: Group[str] | None = None
    ) -> Mapping[str, DocumentRecord]:
        return await self._live.read(tenant, attempt_ids, deciding) if attempt_ids else {}

    async def still_open(self, tenant: str, attempt_ids: Group[str]) -> Mapping[str, DocumentRecord]:
        wanted = every(has_text("tenant", tenant), has_one_of("open_attempt", attempt_ids))
        found = map(record_from_point, filter(is_record, await self._documents.scroll_agreed(wanted)))
        opened = {record.attempt.attempt_id: record for record in found if record.attempt.is_open}
        return {attempt_id: opened[attempt_id] for attempt_id in attempt_ids if attempt_id in opened}

    async def put(self, tenant: str, record: DocumentRecord, *, expected_revision: int | None) -> bool:
        if record.live is not None:
            await self._languages.announce(tenant, record.live.language)
        point = record_id(tenant, record.document_id)
        token = secrets.token_hex(8)
        payload = record_payload(tenant, record, token, self._index)
        if expected_revision is None:
            return await self._insert(point, payload)
        payload |= self._lineages.behind(point, expected_revision)
        await self._overwrite(point, expected_revision, payload)
        return has_won(payload, await self._stored(point))

    async def remove(self, tenant: str, document_id: str, *, expected_revision: int) -> bool:
        point = record_id(tenant, document_id)
        token = secrets.token_hex(8)
        await self._overwrite(point, expected_revision, removed_payload(tenant, expected_revision + 1, token))
        stored = await self._stored(point)
        if stored is None or text_of(stored.payload, "token") != token:
            return False
        await self._delete_mark(point, token)
        return True

    async def page(
        self, tenant: str, query: DocumentQuery, after: Cursor | None, limit: int
    ) -> Sequence[DocumentRecord]:
        keeps = _keeps(query)
        found: list[DocumentRecord] = []
        while True:
            records = await self._older(tenant, query, after)
            for stored in records:
                record = as_of(stored, query.now)
                if keeps(record):
                    found.append(record)
                    if len(found) == limit:
                        return found
            if not records:
                return found
            after = Cursor(to_microseconds(records[-1].create_time), records[-1].document_id)

    async def totals(self, tenant: str, now: datetime) -> Totals:
        indexed = processing = failed = chunks = characters = size_bytes = 0
        wanted = every(has_text("tenant", tenant), has_text("kind", KIND_RECORD))
        async for point in self._documents.scroll(wanted, only(*TOTAL_FIELDS)):
            payload = point.payload
            if text_of(payload, "live_attempt"):
                indexed += 1
                chunks += integer_of(payload, "chunks")
                characters += integer_of(payload, "characters")
                size_bytes += integer_of(payload, "size_bytes")
            elif integer_of(payload, "is_open") and integer_of(payload, "lease_end") > to_microseconds(now):
                processing += 1
            elif integer_of(payload, "is_open") or integer_of(payload, "is_failed"):
                failed += 1
        return Totals(indexed, processing, failed, chunks, characters, size_bytes)

    async def languages(self, tenant: str) -> Mapping[str, int]:
        return await self._languages.counts(tenant)

    async def open_attempts(self, tenant: str) -> Sequence[DocumentRecord]:
        wanted = every(has_text("tenant", tenant), has_integer("is_open", 1))
        found = map(record_from_point, filter(is_record, await self._documents.scroll_agreed(wanted)))
        return [record for record in found if record.attempt.is_open]

    async def _stored(self, point: q.PointId) -> q.RetrievedPoint | None:
        return next(iter(await self._documents.retrieve_agreed([point])), None)

    async def _insert(self, point: q.PointId, payload: Payload) -> bool:
        new = q.PointStruct(id=point, vectors=_NO_VECTORS, payload=to_values(payload))
        for tries in range(1, _MARK_TRIES + 1):
            # Missing ids are inserted whatever the filter says, and nothing passes this one. Qdrant 1.16
            # does not know an upsert that only inserts: it overwrites.
            await self._documents.upsert([new], ordering=MEDIUM, update_filter=_NOTHING)
            stored = await self._stored(point)
            if stored is not None and is_record(stored):
                return has_won(payload, stored)
            if stored is not None and tries == _MARK_TRIES:
                # Whoever removed the record died before its point was gone.
                await self._delete_mark(point, text_of(stored.payload, "token"))
            await self._clock.sleep(_MARK_PAUSE_SECONDS)
        return False  # the caller tries again

    async def _delete_mark(self, point: q.PointId, token: str) -> None:
        mine = selected(has_id([point.uuid]), has_text("token", token))
        await self._documents.delete(mine, ordering=MEDIUM)

    async def _overwrite(self, point: q.PointId, expected_revision: int, payload: Payload) -> None:
        as_expected = selected(
            has_id([point.uuid]), has_integer("revision", expected_revision), has_text("kind", KIND_RECORD)
        )
        await self._documents.overwrite(payload, as_expected)

    async def _older(
        self, tenant: str, query: DocumentQuery, after: Cursor | None
    ) -> Sequence[DocumentRecord]:
        """Some of the records that follow `after`, newest first; none when there are no more.

        The engine sorts by creation time only, so all records of the last moment are read, then sorted.
        """
        wanted = await self._selector.one_filter(tenant, query.filter)
        if after is not None:
            # Those of the cursor's own moment may come in any order and number.
            same = [*wanted.must, _at(after.create_microseconds)]
            rest = await self._records(q.Filter(must=same, must_not=wanted.must_not))
            following = [record for record in rest if record.document_id < after.document_id]
            if following:
                return _newest_first(following)
            wanted.must.append(within("create_time", lt=after.create_microseconds))
        newest = await self._documents.nodes.points(
            "Scroll",
            q.ScrollPoints(
                collection_name=self._documents.name,
                filter=wanted,
                limit=_PAGE_SCAN,
                with_payload=ALL,
                order_by=q.OrderBy(key="create_time", direction=q.Desc),
            ),
        )
        records = [record_from_point(point) for point in newest.result]
        if len(records) < _PAGE_SCAN:
            return _newest_first(records)
        last = min(to_microseconds(record.create_time) for record in records)
        whole = [record for record in records if to_microseconds(record.create_time) > last]
        if whole:
            return _newest_first(whole)
        wanted.must.append(_at(last))
        return _newest_first(await self._records(wanted))

    async def _records(self, wanted: q.Filter) -> list[DocumentRecord]:
        return [record_from_point(point) async for point in self._documents.scroll(wanted, ALL)]


def _at(create_microseconds: int) -> q.Condition:
    return within("create_time", gte=create_microseconds, lte=create_microseconds)


def _newest_first(records: Sequence[DocumentRecord]) -> Sequence[DocumentRecord]:
    return sorted(records, key=lambda r: (to_microseconds(r.create_time), r.document_id), reverse=True)


def _keeps(query: DocumentQuery) -> Callable[[DocumentRecord], bool]:
    passes_filter = predicate(query.filter)
    return lambda record: (
        (not query.statuses or record.status in query.statuses)
        and (not query.types or record.description.type in query.types)
        and passes_filter(record)
    )
