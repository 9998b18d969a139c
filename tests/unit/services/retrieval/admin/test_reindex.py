"""Re-embedding puts a new store in the place of the old one by one rename, or leaves the old one as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from libs.errors import DocuQueryError
from services.retrieval.admin.console import AdminError
from services.retrieval.admin.reindex import prepare, reindex
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.edge import open_edge
from services.retrieval.store.manifest import VectorSpace, exclusive, read_manifest, read_next
from services.retrieval.store.protocol import ChunkQuery
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
    await reindex(tmp_path, embedder, ENCODER)
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
        found = await stores.chunks.fetch(TENANT, [hit.key for hit in legs.dense.hits])
        assert [chunk.text for chunk in found.values()] == [paragraphs_of(2)[1]]
        assert legs.dense.hits[0].score == pytest.approx(1, abs=1e-2)
    assert names_in(tmp_path) == {"lock", "store.json", new.folder}


async def test_another_language_makes_the_word_vectors_anew_and_keeps_the_dense_ones(tmp_path: Path) -> None:
    await fill(tmp_path)
    before = await everything(tmp_path)
    embedder = HashEmbedder(FIRST.name, FIRST.dimensions)
    await reindex(tmp_path, embedder, GERMAN)
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
    await reindex(tmp_path, embedder, ENCODER)
    assert embedder.embedded == 0
    assert "already" in capsys.readouterr().out
    assert read_next(tmp_path) is None


async def test_an_interrupted_one_leaves_the_old_store_serving_and_goes_on_later(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        for number in (1, 2, 3):  # newest first: 3 is copied before 2
            await put(stores, number, [f"Paragraph {i} of document {number}." for i in range(520)])
    before = await everything(tmp_path)
    with pytest.raises(RuntimeError, match="killed"):
        await reindex(tmp_path, Dying("test/second", 16), ENCODER)
    async with open_edge(tmp_path, SPACE):
        pass  # a service with the old settings starts, and does not sweep away what was begun
    assert await everything(tmp_path) == before
    embedder = second()
    await reindex(tmp_path, embedder, ENCODER)
    assert embedder.embedded == 2 * 520
    assert await everything(tmp_path) != before


async def test_what_was_begun_for_other_settings_is_dropped(tmp_path: Path) -> None:
    await fill(tmp_path)
    with pytest.raises(RuntimeError, match="killed"):
        await reindex(tmp_path, Dying("test/second", 16), ENCODER)
    third = HashEmbedder("test/third", 32)
    await reindex(tmp_path, third, ENCODER)
    assert third.embedded == 12
    new = read_manifest(tmp_path)
    assert new is not None
    assert names_in(tmp_path) == {"lock", "store.json", new.folder}


async def test_a_store_in_use_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path)
    with exclusive(tmp_path), pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
        await reindex(tmp_path, second(), ENCODER)


async def test_a_copy_is_embedded_while_the_store_serves_and_the_rest_is_brought_over(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await fill(data)
    shutil.copytree(data, copy)
    async with open_edge(data, SPACE) as serving:  # holds the folder
        first = second()
        await prepare(data, copy, first, ENCODER)
        assert first.embedded == 12
        await put(serving, 1, paragraphs_of(8, 2))
        await put(serving, 4)
        gone = await serving.records.get(TENANT, record(3).document_id)
        assert gone is not None
        await serving.records.remove(TENANT, gone.document_id, expected_revision=gone.revision)
    async with open_edge(data, SPACE):
        pass  # a restart of the service keeps what was prepared
    before = await everything(data)
    later = second()
    await reindex(data, later, ENCODER)
    assert later.embedded == 2 + 4
    after = await everything(data)
    assert after.keys() == before.keys()
    assert {k: v for k, v in after.items() if "record" in k} == {
        k: v for k, v in before.items() if "record" in k
    }


async def test_a_folder_that_is_no_copy_of_the_store_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    await fill(tmp_path / "other")
    with pytest.raises(AdminError, match="not a copy"):
        await prepare(tmp_path / "data", tmp_path / "other", second(), ENCODER)
    with pytest.raises(AdminError, match="no store"):
        await prepare(tmp_path / "nothing", tmp_path / "other", second(), ENCODER)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
