"""What a copy of a store needs of every engine, and a copy to each engine and back again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.retrieval.admin.copier import Copied, StoreCopier
from services.retrieval.admin.migrate import migrate
from services.retrieval.admin.vectors import Vectors
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import ChunkKey
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import EmbeddedChunk, SparseVector
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import block, chunk, direction, embedded, record
from tests.contract.store_targets import ENGINES, Targets
from tests.unit.services.retrieval.admin.support import (
    ENCODER,
    FIRST,
    SPACE,
    TENANT,
    HashEmbedder,
    contents,
    fill,
    paragraphs_of,
    put,
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(targets: Targets, engine: str, tmp_path: Path) -> AsyncIterator[Path]:
    async with targets.fresh(engine, tmp_path, "copies") as place:
        yield place


@pytest.fixture
async def stores(targets: Targets, engine: str, place: Path) -> AsyncIterator[Stores]:
    async with targets.opened(engine, place, SPACE) as stores:
        yield stores


async def test_chunks_come_back_with_their_vectors(stores: Stores) -> None:
    attempt = new_attempt_id()
    first = embedded(attempt, 0, direction(1, 2, 3), {9: 1.5, 4_000_000_000: 0.25})
    wordless = EmbeddedChunk(chunk(attempt, 1), direction(-1, 1), SparseVector((), ()))
    await stores.chunks.write(TENANT, [first, wordless])
    keys = [ChunkKey(attempt, ordinal) for ordinal in (1, 7, 0)]
    found = await stores.chunks.embedded(TENANT, keys)
    assert found.keys() == {keys[0], keys[2]}
    for written in (first, wordless):
        item = found[written.chunk.key]
        assert item.chunk == written.chunk
        assert item.sparse == written.sparse
        assert item.dense.dtype == np.float32
        assert np.allclose(item.dense, written.dense, atol=1e-3)
        assert np.linalg.norm(item.dense) == pytest.approx(1, abs=1e-3)
    assert await stores.chunks.embedded("stranger", keys) == {}
    assert await stores.chunks.embedded(TENANT, []) == {}


async def test_every_tenant_that_stored_something_is_named(
    targets: Targets, engine: str, tmp_path: Path
) -> None:
    # In a store of its own: a server may name tenants of whom everything was deleted.
    async with targets.unshared(engine, tmp_path) as place, targets.opened(engine, place, SPACE) as stores:
        assert list(await stores.upkeep.tenants()) == []
        await stores.records.put("with record", record(1), expected_revision=None)
        await stores.texts.write("with text", new_attempt_id(), [block(0, "abc")])
        assert sorted(await stores.upkeep.tenants()) == ["with record", "with text"]


async def copy(source: Stores, target: Stores, *, prune: bool = True) -> Copied:
    copier = StoreCopier(source, target, Vectors(source.chunks), prune=prune, on_chunks=lambda _count: None)
    return await copier.copy(await source.upkeep.tenants())


async def test_a_store_is_the_same_after_a_copy_there_and_back(stores: Stores, tmp_path: Path) -> None:
    tenants = (TENANT, "zeta")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_edge(tmp_path / "first", SPACE))
        last = await stack.enter_async_context(open_edge(tmp_path / "last", SPACE))
        for tenant in tenants:
            for number in (1, 2, 3):
                await put(first, number, tenant=tenant)
        assert await copy(first, stores) == Copied(documents=6, chunks=24)
        expected = await contents(first, tenants)
        assert await contents(stores, tenants) == expected
        assert await copy(first, stores) == Copied()
        await put(first, 1, paragraphs_of(8, 2))
        gone = await first.records.get(TENANT, record(2).document_id)
        assert gone is not None
        await first.records.remove(TENANT, gone.document_id, expected_revision=gone.revision)
        assert await copy(first, stores) == Copied(documents=1, chunks=2, removed=1)
        expected = await contents(first, tenants)
        assert await contents(stores, tenants) == expected
        assert await copy(stores, last) == Copied(documents=5, chunks=18)
        assert await contents(last, tenants) == expected


async def test_the_command_moves_a_store_and_leaves_what_is_newer(
    targets: Targets, engine: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    await fill(data)
    embedder = HashEmbedder(FIRST.name, FIRST.dimensions)

    async def move(*, prune: bool = False) -> str:
        await migrate(
            data, lambda space: targets.opened(engine, place, space), embedder, ENCODER, prune=prune
        )
        return capsys.readouterr().out

    assert "3 documents, 12 chunks copied" in await move()
    async with targets.opened(engine, place, SPACE) as stores:
        own = await put(stores, 9)
        stored = await stores.records.get(TENANT, record(1).document_id)
        assert stored is not None
        newer = replace(
            stored, revision=stored.revision + 1, update_time=stored.update_time.replace(year=2030)
        )
        assert await stores.records.put(TENANT, newer, expected_revision=stored.revision)
    said = await move()
    assert "0 documents, 0 chunks copied" in said
    assert "1 document is newer in the target" in said
    assert "1 document stands in the target only" in said
    assert "1 document, 0 chunks copied, 1 removed" in await move(prune=True)
    async with targets.opened(engine, place, SPACE) as stores:
        assert await stores.records.get(TENANT, own.document_id) is None
        assert await stores.records.get(TENANT, newer.document_id) == stored
    assert embedder.embedded == 0
