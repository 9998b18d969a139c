"""The embedded store is embedded anew offline: beside the old chunks, then switched over by one write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.retrieval.admin.console import AdminError, note
from services.retrieval.admin.reindex import finish, reindex
from services.retrieval.admin.reindex_report import Sentences
from services.retrieval.reindexing.filler import SpaceFiller
from services.retrieval.reindexing.pace import Pace
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.vectors import SpaceVectors
from services.retrieval.store.edge.manifest import exclusive, read_manifest
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import ChunkQuery
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder
from tests.contract.retrieval_samples import record
from tests.unit.services.retrieval.admin.support import (
    ENCODER,
    FIRST,
    SPACE,
    TENANT,
    HashEmbedder,
    everything,
    fill,
    paragraphs_of,
    put,
)

GERMAN = Bm25Encoder("german")


def second() -> HashEmbedder:
    return HashEmbedder("test/second", 16)


def space_of(embedder: HashEmbedder, encoder: Bm25Encoder = ENCODER) -> VectorSpace:
    return VectorSpace(embedder.name, embedder.dimensions, encoder.name)


@asynccontextmanager
async def opened(
    folder: Path, embedder: HashEmbedder, encoder: Bm25Encoder = ENCODER, *, may_begin: bool = True
) -> AsyncIterator[tuple[Stores, SpaceFiller]]:
    clock = SystemClock()
    async with open_edge(folder, space_of(embedder, encoder), may_begin=may_begin) as stores:
        yield (
            stores,
            SpaceFiller(
                stores,
                SpaceVectors(embedder, encoder),
                clock,
                patience=Patience(clock, note, 1),
                pace=Pace(clock),
                batches_at_once=2,
                grace_seconds=0.0,
            ),
        )


async def run(folder: Path, embedder: HashEmbedder, encoder: Bm25Encoder = ENCODER) -> None:
    """As `docuquery admin reindex`."""
    async with opened(folder, embedder, encoder) as (stores, filler):
        await reindex(stores, filler, Sentences(SystemClock()), SystemClock())


async def run_finish(folder: Path, embedder: HashEmbedder) -> None:
    """As `docuquery admin reindex --finish`."""
    async with opened(folder, embedder, may_begin=False) as (stores, filler):
        await finish(stores, filler, Sentences(SystemClock()))


class Dying(HashEmbedder):
    """Ends the process, as far as a test can, at a given document."""

    async def embed_passages(self, texts):  # type: ignore[no-untyped-def]  # as in the base class
        if any("document 2" in text for text in texts):
            raise RuntimeError("killed")
        return await super().embed_passages(texts)


async def test_the_store_is_found_by_the_new_embedder_and_keeps_everything_else(tmp_path: Path) -> None:
    await fill(tmp_path, tenants=(TENANT, "zeta"))
    before = await everything(tmp_path, (TENANT, "zeta"))
    old = read_manifest(tmp_path)
    embedder = second()
    await run(tmp_path, embedder)
    assert embedder.embedded == 24
    new = read_manifest(tmp_path)
    assert old is not None
    assert new is not None
    assert (new.space, new.page_token_key) == (space_of(embedder), old.page_token_key)
    after = await everything(tmp_path, (TENANT, "zeta"))
    assert {k: v for k, v in after.items() if "chunk" not in k} == {
        k: v for k, v in before.items() if "chunk" not in k
    }
    async with open_edge(tmp_path, new.space) as stores:
        query = ChunkQuery(await embedder.embed_query("Title › Part\n" + paragraphs_of(2)[1]), None, 1)
        legs = await stores.chunks.search(TENANT, query)
        assert legs.dense is not None
        found = await stores.chunks.fetch(TENANT, list(legs.dense.hits))
        assert [chunk.text for chunk in found.values()] == [paragraphs_of(2)[1]]
        assert next(iter(legs.dense.hits.values())) == pytest.approx(1, abs=1e-2)
    assert places_in(tmp_path) == {new.space.place}


async def test_another_language_makes_the_word_vectors_anew_and_keeps_the_dense_ones(tmp_path: Path) -> None:
    await fill(tmp_path)
    before = await everything(tmp_path)
    embedder = HashEmbedder(FIRST.name, FIRST.dimensions)
    await run(tmp_path, embedder, GERMAN)
    assert embedder.embedded == 0
    after = await everything(tmp_path)
    chunks = [key for key in before if key.startswith("chunk")]
    assert chunks
    for key in chunks:
        (chunk, dense, sparse), (chunk_after, dense_after, sparse_after) = before[key], after[key]  # type: ignore[misc]  # a triple
        assert (chunk_after, dense_after) == (chunk, dense)
        assert sparse_after != sparse


async def test_nothing_is_done_when_the_settings_are_those_of_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(tmp_path)
    embedder = HashEmbedder(FIRST.name, FIRST.dimensions)
    await run(tmp_path, embedder)
    assert embedder.embedded == 0
    assert "already" in capsys.readouterr().out


async def test_an_interrupted_one_leaves_the_old_store_serving_and_goes_on_later(tmp_path: Path) -> None:
    """Not a chunk is embedded twice, and what changed in between is brought over."""
    async with open_edge(tmp_path, SPACE) as stores:
        for number in (1, 2, 3):  # newest first: 3 is filled before 2
            await put(stores, number, [f"Paragraph {i} of document {number}." for i in range(1040)])
    before = await everything(tmp_path)
    dying = Dying("test/second", 16)
    with pytest.raises(RuntimeError, match="killed"):
        await run(tmp_path, dying)
    assert dying.embedded >= 1040
    assert await everything(tmp_path) == before
    async with open_edge(tmp_path, SPACE) as stores:  # a service with the old settings
        await put(stores, 4)
        await put(stores, 3, paragraphs_of(3, 2))
    before = await everything(tmp_path)
    embedder = second()
    await run(tmp_path, embedder)
    assert embedder.embedded == 2 * 1040 + 4 + 2
    after = await everything(tmp_path)
    assert after.keys() == before.keys()
    async with open_edge(tmp_path, space_of(embedder)) as stores:
        assert await stores.upkeep.unreferenced(TENANT), "of document 3, which was replaced"


async def test_what_was_begun_for_other_settings_is_dropped(tmp_path: Path) -> None:
    await fill(tmp_path)
    with pytest.raises(RuntimeError, match="killed"):
        await run(tmp_path, Dying("test/second", 16))
    third = HashEmbedder("test/third", 32)
    await run(tmp_path, third)
    assert third.embedded == 12
    assert places_in(tmp_path) == {space_of(third).place}


async def test_what_was_begun_can_be_given_up(tmp_path: Path) -> None:
    await fill(tmp_path)
    before = await everything(tmp_path)
    with pytest.raises(RuntimeError, match="killed"):
        await run(tmp_path, Dying("test/second", 16))
    assert len(places_in(tmp_path)) == 2
    with pytest.raises(DocuQueryError, match="not whole yet"):
        await run_finish(tmp_path, second())
    await run_finish(tmp_path, HashEmbedder(FIRST.name, FIRST.dimensions))
    assert places_in(tmp_path) == {"chunks"}
    assert await everything(tmp_path) == before


async def test_finishing_with_settings_that_are_not_the_stores_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with opened(tmp_path, second()) as (stores, filler):
        with pytest.raises(AdminError, match="is to be searched by"):
            await finish(stores, filler, Sentences(SystemClock()))


async def test_a_store_in_use_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path)
    with exclusive(tmp_path), pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
        await run(tmp_path, second())


async def test_a_document_that_lacks_a_chunk_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is damaged already; the others are not."""
    await fill(tmp_path)
    async with open_edge(tmp_path, SPACE) as stores:
        made = await stores.records.get(TENANT, record(2).document_id)
        assert made is not None
        assert made.live is not None
        wrong = replace(made, revision=made.revision + 1, live=replace(made.live, chunk_count=5))
        assert await stores.records.put(TENANT, wrong, expected_revision=made.revision)
    embedder = second()
    await run(tmp_path, embedder)
    assert embedder.embedded == 12
    assert "Switched over" in capsys.readouterr().out


def places_in(folder: Path) -> set[str]:
    """Where the tenants' chunks are."""
    return {path.name for path in folder.glob("tenants*/*/chunks*")}
