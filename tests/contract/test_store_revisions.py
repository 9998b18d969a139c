"""Corpus revisions on every store: moved on by one process, they are moved on for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import block, embedded, record
from tests.contract.store_targets import ENGINES, Targets
from tests.contract.test_store import SPACE

TENANT = "acme"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(targets: Targets, engine: str, tmp_path: Path) -> AsyncIterator[Path]:
    async with targets.fresh(engine, tmp_path) as place:
        yield place


@pytest.fixture
async def processes(targets: Targets, engine: str, place: Path) -> AsyncIterator[list[Stores]]:
    """As many openings of one store as there may be processes on it, each starting at another node."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(targets.opened(engine, place, SPACE, first_node=first))
            for first in range(1 if engine == "edge" else 3)
        ]


async def test_a_revision_stays_until_it_is_advanced_and_never_comes_back(processes: list[Stores]) -> None:
    seen: set[str] = set()
    for _ in range(10):
        current = {await stores.revisions.current(TENANT) for stores in processes}
        assert len(current) == 1
        assert current.isdisjoint(seen)
        assert "" not in current
        seen |= current
        await processes[len(seen) % len(processes)].revisions.advance(TENANT)


async def test_each_tenant_has_its_own(processes: list[Stores]) -> None:
    first, last = processes[0].revisions, processes[-1].revisions
    before = await first.current(TENANT), await first.current("other")
    await last.advance(TENANT)
    assert await first.current(TENANT) != before[0]
    assert await first.current("other") == before[1]
    await last.advance_all()
    assert await first.current("other") != before[1]


async def test_processes_that_ask_first_at_once_are_told_the_same(processes: list[Stores]) -> None:
    for tenant in ("a", "b", "c"):
        asked = await asyncio.gather(
            *(processes[i % len(processes)].revisions.current(tenant) for i in range(9))
        )
        assert len(set(asked)) == 1


async def test_whoever_asks_after_an_advance_sees_it_whoever_advances_meanwhile(
    processes: list[Stores],
) -> None:
    """Readers and writers at once: no reader is told a revision whose end was reported before it asked."""
    ended: set[str] = set()
    done = asyncio.Event()

    async def read(stores: Stores) -> int:
        readings = 0
        while not done.is_set():
            known = set(ended)
            assert await stores.revisions.current(TENANT) not in known
            readings += 1
            await asyncio.sleep(0)
        return readings

    async def write(stores: Stores) -> None:
        for _ in range(15):
            before = await stores.revisions.current(TENANT)
            await stores.revisions.advance(TENANT)
            ended.add(before)
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read(stores)) for stores in processes]
    await asyncio.gather(*(write(stores) for stores in (*processes, processes[0])))
    done.set()
    assert min(await asyncio.gather(*readers)) > 5


async def test_another_life_of_the_store_begins_with_another_revision(
    targets: Targets, engine: str, place: Path
) -> None:
    """In this process' memory nothing survives; on a server the revision does, until it is advanced."""
    async with targets.opened(engine, place, SPACE) as stores:
        before = await stores.revisions.current(TENANT)
    async with targets.opened(engine, place, SPACE) as stores:
        await stores.revisions.advance_all()
        assert await stores.revisions.current(TENANT) != before


async def test_asking_for_revisions_makes_no_tenant_and_leaves_everything_else_alone(
    processes: list[Stores],
) -> None:
    stores = processes[0]
    stored = record(1, chunks=1)
    attempt = stored.attempt.attempt_id
    await stores.chunks.write(TENANT, [embedded(attempt, 0)])
    await stores.texts.write(TENANT, attempt, [block(0, "abc")])
    assert await stores.records.put(TENANT, stored, expected_revision=None)
    for tenant in (TENANT, "nobody"):
        await stores.revisions.current(tenant)
        await stores.revisions.advance(tenant)
    await stores.revisions.advance_all()
    tenants = await stores.upkeep.tenants()
    assert TENANT in tenants
    assert "nobody" not in tenants
    assert not await stores.upkeep.unreferenced(TENANT)
    assert await stores.records.get(TENANT, stored.document_id) == stored
    assert (await stores.records.totals(TENANT, stored.update_time)).indexed_documents == 1
