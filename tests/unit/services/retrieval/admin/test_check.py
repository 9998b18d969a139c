"""The check finds what is missing and what does not agree, and calls nothing else a fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.retrieval.admin.check import TenantReport, check_tenant
from services.retrieval.admin.check_command import check
from services.retrieval.model import DocumentRecord, LiveVersion, Status
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import record
from tests.unit.services.retrieval.admin.support import (
    ENCODER,
    FIRST,
    SPACE,
    TENANT,
    document,
    fill,
    paragraphs_of,
    put,
    put_unfinished,
)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    async with open_edge(tmp_path, SPACE) as stores:
        yield stores


async def checked(stores: Stores) -> TenantReport:
    return await check_tenant(stores, TENANT, lambda _count: None)


async def claim(stores: Stores, made: DocumentRecord, **fields: int) -> None:
    """Makes a record say something else of its live version."""
    assert isinstance(made.live, LiveVersion)
    live = replace(made.live, **fields)
    other = replace(made, live=live, revision=made.revision + 1)
    assert await stores.records.put(TENANT, other, expected_revision=made.revision)


async def test_a_sound_store_is_counted_and_has_no_faults(stores: Stores) -> None:
    await put(stores, 1)
    await put(stores, 2, [f"Paragraph {i} of many." for i in range(600)])
    await stores.records.put(TENANT, record(3, live=False, status=Status.PROCESSING), expected_revision=None)
    await stores.records.put(TENANT, record(4, live=False, status=Status.FAILED), expected_revision=None)
    report = await checked(stores)
    assert (report.documents, report.live, report.open_attempts) == (4, 2, 1)
    assert report.chunks_recorded == report.chunks_stored == 604
    assert (report.leftovers, report.faults) == (0, [])


async def test_leftovers_are_counted_and_are_no_fault(stores: Stores) -> None:
    await put(stores, 1)
    await put_unfinished(stores, 2)
    report = await checked(stores)
    assert (report.leftovers, report.faults) == (1, [])


async def test_missing_chunks_are_a_fault(stores: Stores) -> None:
    await claim(stores, await put(stores, 1), chunk_count=6)
    faults = (await checked(stores)).faults
    assert any("4 chunks are stored, its record says 6" in fault for fault in faults)
    assert any("2 chunks are missing, the first is number 4" in fault for fault in faults)
    assert all(record(1).source in fault for fault in faults)


async def test_a_gap_in_the_text_is_a_fault(stores: Stores) -> None:
    made = await put(stores, 1)
    assert made.live is not None
    length = made.live.character_count
    await claim(stores, made, character_count=length + 1)
    assert f"gap at character {length}" in (await checked(stores)).faults[0]


async def test_blocks_that_went_are_a_fault(stores: Stores) -> None:
    made = await put(stores, 1)
    assert made.live is not None
    await claim(stores, made, text_block_count=made.live.text_block_count + 1)
    assert "blocks of text" in (await checked(stores)).faults[0]


async def test_a_chunk_that_is_not_its_piece_of_the_text_is_a_fault(stores: Stores) -> None:
    made = await put(stores, 1)
    _, chunks, _ = document(1, paragraphs_of(1))
    wrong = replace(chunks[2], key=chunks[2].key._replace(attempt_id=made.attempt.attempt_id), text="other")
    vector = await FIRST.embed_query("other")
    await stores.chunks.write(TENANT, [EmbeddedChunk(wrong, vector, ENCODER.document("other", ""))])
    (fault,) = (await checked(stores)).faults
    assert "chunk 2 is not what the text says" in fault


async def test_a_chunk_of_another_document_is_a_fault(stores: Stores) -> None:
    made = await put(stores, 1)
    _, chunks, _ = document(1, paragraphs_of(1))
    key = chunks[0].key._replace(attempt_id=made.attempt.attempt_id)
    wrong = replace(chunks[0], key=key, document_id=record(9).document_id)
    vector = await FIRST.embed_query("other")
    await stores.chunks.write(TENANT, [EmbeddedChunk(wrong, vector, ENCODER.document("other", ""))])
    assert record(9).document_id in (await checked(stores)).faults[0]


async def test_the_command_prints_a_table_and_says_by_its_code_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(tmp_path, tenants=("acme", "zeta"))
    assert await check(tmp_path, warn_chunks=100) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].split()[:5] == ["tenant", "documents", "live", "chunks", "stored"]
    assert said[2].split()[:5] == ["acme", "3", "3", "12", "12"]
    assert said[-1] == "Everything is in order."
    async with open_edge(tmp_path, SPACE) as stores:
        await claim(stores, await put(stores, 5), chunk_count=9)
    assert await check(tmp_path, warn_chunks=10) == 1
    said = capsys.readouterr().out.splitlines()
    assert any("zeta has 12 chunks, more than the 10 (EDGE_WARN_CHUNKS)" in line for line in said)
    assert any(line.startswith("acme: ") and "its record says 9" in line for line in said)


async def test_an_empty_store_is_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(tmp_path, documents=0)
    assert await check(tmp_path, warn_chunks=0) == 0
    assert "Nothing is stored" in capsys.readouterr().out
