"""Leftovers go when nobody can be reading them; silent attempts end; what is in use stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.attempts.lease import ABANDONED
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.documents.records import RecordEditor
from services.retrieval.documents.sweeper import Sweeper
from services.retrieval.model import Status
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.protocol import Upkeep
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import DIMENSIONS, NOW, block, embedded, record

TENANT = "acme"


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    async with open_edge(tmp_path, VectorSpace("test", DIMENSIONS, "test")) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def sweeper_of(stores: Stores, clock: ManualClock) -> Sweeper:
    return Sweeper(stores, RecordEditor(stores.records, clock), clock, grace_seconds=5.0)


async def test_leftovers_are_deleted_after_the_grace_and_not_before(
    stores: Stores, clock: ManualClock
) -> None:
    sweeper = sweeper_of(stores, clock)
    first, second = new_attempt_id(), new_attempt_id()
    for attempt in (first, second):
        await stores.chunks.write(TENANT, [embedded(attempt, i) for i in range(300)])
        await stores.texts.write(TENANT, attempt, [block(0, "abc")])
    sweeper.discard(TENANT, first)
    clock.advance(3)
    sweeper.discard(TENANT, second)
    clock.advance(1.9)
    await sweeper.delete_due()
    assert await stores.chunks.count(TENANT, first) == 300
    clock.advance(0.2)
    await sweeper.delete_due()
    assert await stores.chunks.count(TENANT, first) == 0
    assert list(await stores.texts.extents(TENANT, first)) == []
    assert await stores.chunks.count(TENANT, second) == 300
    assert sweeper.pending == 1


async def test_an_abandoned_attempt_is_ended_and_its_chunks_go(stores: Stores, clock: ManualClock) -> None:
    sweeper = sweeper_of(stores, clock)
    item = record(1, live=False, status=Status.PROCESSING)
    attempt = item.attempt.attempt_id
    await stores.chunks.write(TENANT, [embedded(attempt, 0)])
    await stores.records.put(TENANT, item, expected_revision=None)
    await sweeper.end_abandoned(TENANT)
    assert await stores.records.get(TENANT, item.document_id) == item
    clock.advance(200)
    await sweeper.end_abandoned(TENANT)
    found = await stores.records.get(TENANT, item.document_id)
    assert found is not None
    assert (found.attempt.status, found.attempt.error) == (Status.FAILED, ABANDONED)
    clock.advance(5)
    await sweeper.delete_due()
    assert await stores.chunks.count(TENANT, attempt) == 0


async def test_recovery_deletes_what_no_record_refers_to(tmp_path: Path, clock: ManualClock) -> None:
    live = record(1, chunks=2)
    stray = new_attempt_id()
    space = VectorSpace("test", DIMENSIONS, "test")
    async with open_edge(tmp_path, space) as stores:
        await stores.records.put(TENANT, live, expected_revision=None)
        await stores.chunks.write(TENANT, [embedded(live.attempt.attempt_id, i) for i in range(2)])
        await stores.chunks.write(TENANT, [embedded(stray, i) for i in range(200)])
    async with open_edge(tmp_path, space) as stores:
        with structlog.testing.capture_logs() as logs:
            await sweeper_of(stores, clock).recover()
        assert await stores.chunks.count(TENANT, stray) == 0
        assert await stores.chunks.count(TENANT, live.attempt.attempt_id) == 2
    assert [(line["event"], line["points"]) for line in logs] == [("leftovers_deleted", 200)]


class FailingUpkeep:
    """Fails the first `failures` deletions, then works."""

    def __init__(self, inner: Upkeep, failures: int) -> None:
        self._inner = inner
        self._failures = failures

    async def erase(self, tenant: str, attempt_id: str, limit: int) -> int:
        if self._failures:
            self._failures -= 1
            raise DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "Down.")
        return await self._inner.erase(tenant, attempt_id, limit)

    async def tenants_to_check(self) -> list[str]:
        return list(await self._inner.tenants_to_check())

    async def active_tenants(self) -> list[str]:
        return list(await self._inner.active_tenants())

    async def unreferenced(self, tenant: str) -> list[str]:
        return list(await self._inner.unreferenced(tenant))

    async def flush(self) -> None:
        await self._inner.flush()


async def test_a_failing_store_is_tried_again(stores: Stores, clock: ManualClock) -> None:
    """The sweeper goes on after a failure, and forgets nothing."""
    attempt = new_attempt_id()
    await stores.chunks.write(TENANT, [embedded(attempt, 0)])
    sweeper = sweeper_of(replace(stores, upkeep=FailingUpkeep(stores.upkeep, 2)), clock)
    sweeper.discard(TENANT, attempt)
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(sweeper.run())
        async with asyncio.timeout(5):
            while await stores.chunks.count(TENANT, attempt):  # noqa: ASYNC110 - asks the store
                await asyncio.sleep(0)
        task.cancel()
    assert [line["event"] for line in logs] == ["sweep_failed", "sweep_failed"]
