"""Many writers and readers of one record at once, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from libs.clock import SystemClock
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.documents.records import RecordEditor
from services.retrieval.model import DocumentRecord
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import next_revision, record
from tests.contract.store_targets import ENGINES, Targets
from tests.contract.test_store import SPACE

TENANT = "acme"
WRITERS = 8


@pytest.fixture(params=ENGINES)
async def processes(
    request: pytest.FixtureRequest, targets: Targets, tmp_path: Path
) -> AsyncIterator[list[Stores]]:
    """As many openings of one store as there may be processes on it: two, each starting at another node."""
    engine = str(request.param)
    async with targets.fresh(engine, tmp_path) as place, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(targets.opened(engine, place, SPACE))]
        if engine != "edge":
            for first in (1, 2):
                opening = targets.opened(engine, place, SPACE, first_node=first)
                opened.append(await stack.enter_async_context(opening))
        yield opened


async def test_of_writers_that_build_on_one_revision_one_wins(processes: list[Stores]) -> None:
    """Each revision has exactly one winner, every loser is told, and what is stored is the winner's."""
    first = record(1)
    inserted = await asyncio.gather(
        *(
            processes[i % len(processes)].records.put(
                TENANT, replace(first, source=f"0-{i}"), expected_revision=None
            )
            for i in range(WRITERS)
        )
    )
    assert sum(inserted) == 1
    current = await processes[0].records.get(TENANT, first.document_id)
    assert current is not None
    assert current.source == f"0-{inserted.index(True)}"
    for revision in range(1, 40):
        versions = [next_revision(current, source=f"{revision}-{i}") for i in range(WRITERS)]
        won = await asyncio.gather(
            *(
                processes[i % len(processes)].records.put(TENANT, version, expected_revision=revision)
                for i, version in enumerate(versions)
            )
        )
        assert sum(won) == 1, revision
        for stores in processes:
            seen = await stores.records.get(TENANT, first.document_id)
            assert seen == versions[won.index(True)]
        current = versions[won.index(True)]


async def test_no_change_is_lost_or_made_twice(processes: list[Stores]) -> None:
    """Writers that read, add one, write, and start over when refused: the sum comes out."""
    first = record(1)
    assert await processes[0].records.put(TENANT, first, expected_revision=None)

    async def add(stores: Stores, times: int) -> None:
        editor = RecordEditor(stores.records, SystemClock())
        for _ in range(times):
            await editor.change(TENANT, first.document_id, one_more)

    def one_more(found: DocumentRecord | None) -> DocumentRecord:
        assert found is not None
        return replace(found, source=f"{int(found.source) + 1}" if found.source.isdigit() else "1")

    await asyncio.gather(*(add(processes[i % len(processes)], 12) for i in range(5)))
    final = await processes[-1].records.get(TENANT, first.document_id)
    assert final is not None
    assert final.source == "60"
    assert final.revision == 61


async def test_a_removal_has_one_winner_too(processes: list[Stores]) -> None:
    """Removers and writers at once: one of them gets the revision; a new record can follow at once."""
    for life in range(10):
        fresh = replace(record(1), revision=life * 10 + 1)
        assert await processes[0].records.put(TENANT, fresh, expected_revision=None)
        calls = []
        for i in range(WRITERS):
            records = processes[i % len(processes)].records
            calls.append(
                records.remove(TENANT, fresh.document_id, expected_revision=fresh.revision)
                if i % 2
                else records.put(TENANT, next_revision(fresh), expected_revision=fresh.revision)
            )
        won = await asyncio.gather(*calls)
        assert sum(won) == 1
        for stores in processes:
            found = await stores.records.get(TENANT, fresh.document_id)
            assert (found is None) == (won.index(True) % 2 == 1)
        if found is not None:
            assert await processes[-1].records.remove(
                TENANT, fresh.document_id, expected_revision=fresh.revision + 1
            )


async def test_what_was_acknowledged_is_what_every_process_reads_next(processes: list[Stores]) -> None:
    """Records a process has read before are not taken for what is stored: not for a moment."""
    bystanders = [record(number) for number in range(2, 40)]
    current: DocumentRecord = record(1)
    for item in (current, *bystanders):
        await processes[0].records.put(TENANT, item, expected_revision=None)
    attempt = current.attempt.attempt_id
    asked = {attempt, *(item.attempt.attempt_id for item in bystanders)}

    async def live_everywhere() -> list[Mapping[str, DocumentRecord]]:
        """Asked by several at once: of the changing one with all the others, and of some of the others."""
        few = {item.attempt.attempt_id: item for item in bystanders[:5]}
        readings = [stores.records.live(TENANT, which) for stores in processes for which in (few, asked, few)]
        seen = await asyncio.gather(*readings)
        assert all(reading == few for reading in (*seen[::3], *seen[2::3]))
        for reading in seen[1::3]:
            assert [item for item in bystanders if reading.get(item.attempt.attempt_id) != item] == []
        return seen[1::3]

    for turn in range(12):
        writer = processes[turn % len(processes)].records
        assert all(reading[attempt] == current for reading in await live_everywhere())
        assert current.live is not None
        # The same attempt under another description, as when only a document's metadata changes.
        renamed = replace(current.live.description, filename=f"{turn}.txt")
        changed = next_revision(current, live=replace(current.live, description=renamed))
        assert await writer.put(TENANT, changed, expected_revision=current.revision)
        assert all(reading[attempt] == changed for reading in await live_everywhere())
        assert await writer.remove(TENANT, current.document_id, expected_revision=changed.revision)
        assert all(attempt not in reading for reading in await live_everywhere())
        current = next_revision(changed)
        assert await writer.put(TENANT, current, expected_revision=None)


async def test_readers_of_a_changing_record_always_find_it_live(processes: list[Stores]) -> None:
    """Of two versions that replace each other, every reading has exactly one live, and never an older one."""
    current: DocumentRecord = record(1)
    await processes[0].records.put(TENANT, current, expected_revision=None)
    attempts = [current.attempt.attempt_id, *(new_attempt_id() for _ in range(60))]
    done = asyncio.Event()

    async def read(stores: Stores) -> int:
        readings, newest = 0, 0
        while not done.is_set():
            live = await stores.records.live(TENANT, attempts)
            assert len(live) == 1, "none, or two versions of one document"
            found = next(iter(live.values()))
            assert found.revision >= newest
            newest = found.revision
            whole = await stores.records.get(TENANT, current.document_id)
            assert whole is not None
            assert whole.revision >= newest
            newest, readings = whole.revision, readings + 1
            await asyncio.sleep(0)
        return readings

    readers = [asyncio.create_task(read(stores)) for stores in processes for _ in range(2)]
    for attempt_id in attempts[1:]:
        assert current.live is not None
        live = replace(current.live, attempt_id=attempt_id)
        changed = next_revision(current, live=live)
        assert await processes[0].records.put(TENANT, changed, expected_revision=current.revision)
        current = changed
        await asyncio.sleep(0)
    done.set()
    assert min(await asyncio.gather(*readers)) > 5
