"""Two writers of one record never undo each other's work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.documents.records import RecordEditor, owned_attempt
from services.retrieval.model import DocumentRecord, Status
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.protocol import Cursor, DocumentQuery, RecordStore, Totals
from services.retrieval.store.spaces import VectorSpace
from tests.contract.retrieval_samples import record


class SlowRecords:
    """A record store at the other end of a network: others get their turn around every call."""

    def __init__(self, inner: RecordStore) -> None:
        self._inner = inner

    async def get(self, tenant: str, document_id: str) -> DocumentRecord | None:
        found = await self._inner.get(tenant, document_id)
        await asyncio.sleep(0)
        return found

    async def put(self, tenant: str, record: DocumentRecord, *, expected_revision: int | None) -> bool:
        await asyncio.sleep(0)
        return await self._inner.put(tenant, record, expected_revision=expected_revision)

    async def remove(self, tenant: str, document_id: str, *, expected_revision: int) -> bool:
        await asyncio.sleep(0)
        return await self._inner.remove(tenant, document_id, expected_revision=expected_revision)

    async def live(self, tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        return await self._inner.live(tenant, attempt_ids)

    async def page(
        self, tenant: str, query: DocumentQuery, after: Cursor | None, limit: int
    ) -> Sequence[DocumentRecord]:
        return await self._inner.page(tenant, query, after, limit)

    async def totals(self, tenant: str, now: datetime) -> Totals:
        return await self._inner.totals(tenant, now)

    async def open_attempts(self, tenant: str) -> Sequence[DocumentRecord]:
        return await self._inner.open_attempts(tenant)


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with open_edge(tmp_path, VectorSpace("test", 4, "test")) as stores:
        yield SlowRecords(stores.records)


SAMPLE = record(1)


def longer(found: DocumentRecord | None) -> DocumentRecord:
    """Adds a letter to the source; makes the record when there is none."""
    return replace(found, source=found.source + "x") if found else replace(SAMPLE, source="x")


async def test_no_change_is_lost_among_many_at_once(records: RecordStore) -> None:
    editor = RecordEditor(records, ManualClock())
    changes = await asyncio.gather(*(editor.change("t", SAMPLE.document_id, longer) for _ in range(20)))
    found = await records.get("t", SAMPLE.document_id)
    assert found is not None
    assert found.source == "x" * 20
    assert len({change.after.revision for change in changes}) == 20
    assert sum(change.before is None for change in changes) == 1


async def test_a_record_made_anew_never_repeats_a_revision(records: RecordStore) -> None:
    """So that a writer who read the former one cannot overwrite its successor."""
    clock = ManualClock()
    editor = RecordEditor(records, clock)
    first = (await editor.change("t", SAMPLE.document_id, longer)).after
    clock.advance(1)
    assert await editor.remove("t", SAMPLE.document_id) == first
    second = (await editor.change("t", SAMPLE.document_id, longer)).after
    assert second.revision > first.revision
    assert second.update_time == clock.now()
    assert not await records.put("t", replace(first), expected_revision=first.revision)


async def test_leaving_a_record_as_it_is_writes_nothing(records: RecordStore) -> None:
    editor = RecordEditor(records, ManualClock())
    before = (await editor.change("t", SAMPLE.document_id, longer)).after

    def leave(found: DocumentRecord | None) -> DocumentRecord:
        assert found is not None
        return found

    change = await editor.change("t", SAMPLE.document_id, leave)
    assert not change.was_needed
    assert await records.get("t", SAMPLE.document_id) == before
    assert await editor.remove("t", "00000000-0000-5000-8000-00000000ffff") is None


async def test_a_store_that_never_takes_a_write_is_given_up(records: RecordStore) -> None:
    class Stubborn(SlowRecords):
        async def put(self, tenant: str, record: DocumentRecord, *, expected_revision: int | None) -> bool:
            return False

    with pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
        await RecordEditor(Stubborn(records), ManualClock()).change("t", SAMPLE.document_id, longer)


@pytest.mark.parametrize("status", Status)
def test_only_an_open_attempt_with_its_own_token_owns_the_document(status: Status) -> None:
    item = record(1, status=status)
    token = item.attempt.attempt_id
    if status in (Status.PENDING, Status.PROCESSING):
        assert owned_attempt(item, token) == (item, item.attempt)
    else:
        with pytest.raises(DocuQueryError, match="ATTEMPT_SUPERSEDED"):
            owned_attempt(item, token)
    for found, other in ((item, "other"), (None, token)):
        with pytest.raises(DocuQueryError, match="ATTEMPT_SUPERSEDED"):
            owned_attempt(found, other)
