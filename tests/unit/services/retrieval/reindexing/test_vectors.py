"""Vectors are made where they are lacking, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.embedders.absent import AbsentEmbedder
from services.retrieval.indexing.indexer import contextual_text
from services.retrieval.reindexing.sources import VectorSources
from services.retrieval.reindexing.vectors import (
    SpaceVectors,
    encoder_of,
    nearest_encoder,
    read_for,
    without_foreign,
)
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import EmbeddedChunk, SparseVector
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.terms.bm25 import Bm25Encoder
from tests.contract.retrieval_samples import chunk
from tests.unit.services.retrieval.admin.support import ENCODER, FIRST, SPACE, TENANT, HashEmbedder, put

GERMAN = Bm25Encoder("german")


def bare(count: int) -> list[EmbeddedChunk]:
    attempt = new_attempt_id()
    return [EmbeddedChunk(chunk(attempt, i), None, None) for i in range(count)]


class Counting(HashEmbedder):
    """Notes how many texts came at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(len(texts))
        return await super().embed_passages(texts)


async def test_what_is_lacking_is_made_of_the_text_with_its_headings() -> None:
    embedder = Counting()
    items = bare(70)
    items[3] = replace(items[3], dense=np.zeros(8, dtype=np.float32))
    items[5] = replace(items[5], sparse=SparseVector((1,), (1.0,)))
    made = await SpaceVectors(embedder, ENCODER).complete(items)
    assert embedder.batches == [32, 32, 5]
    for before, after in zip(items, made, strict=True):
        text = contextual_text(after.chunk)
        assert "Title › Top" in text
        wanted = await embedder.embed_query(text) if before.dense is None else before.dense
        assert after.dense is not None
        assert np.array_equal(after.dense, wanted)
        assert after.sparse == (before.sparse or ENCODER.document(text, after.chunk.language))


async def test_what_cannot_be_made_here_stays_lacking() -> None:
    items = bare(2)
    assert await SpaceVectors(None, None).complete(items) == items
    assert all(i.dense is None and i.sparse for i in await SpaceVectors(None, ENCODER).complete(items))
    made = await SpaceVectors(HashEmbedder(), None).complete(items)
    assert all(i.dense is not None and i.sparse is None for i in made)


async def test_an_embedder_that_is_down_is_an_error_or_left_out_as_wanted() -> None:
    vectors = SpaceVectors(AbsentEmbedder("test/gone", 8), ENCODER)
    with pytest.raises(DocuQueryError) as caught:
        await vectors.complete(bare(1))
    assert caught.value.reason == reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE
    (made,) = await vectors.complete_if_possible(bare(1))
    assert made.dense is None
    assert made.sparse is not None


def test_only_vectors_that_mean_the_same_are_taken_over() -> None:
    item = replace(bare(1)[0], dense=np.zeros(8, dtype=np.float32), sparse=SparseVector((1,), (1.0,)))
    for target, keeps in (
        (SPACE, (True, True)),
        (replace(SPACE, sparse="other"), (True, False)),
        (replace(SPACE, embedder="other"), (False, True)),
        (replace(SPACE, dimensions=9), (False, True)),
    ):
        found = without_foreign(item, SPACE, target)
        assert (found.dense is not None, found.sparse is not None) == keeps


@pytest.mark.parametrize(
    ("target", "keeps"),
    [
        (SPACE, (True, True)),
        (replace(SPACE, sparse="other"), (True, False)),
        (VectorSpace("other", 4, "other"), (False, False)),
    ],
)
async def test_chunks_are_read_with_what_can_be_used(
    tmp_path: Path, target: VectorSpace, keeps: tuple[bool, bool]
) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        stored = await put(stores, 1)
        keys = [item.chunk.key for item in bare(1)]
        assert await read_for(target, SPACE, stores.chunks, TENANT, keys) == {}
        keys = [replace_attempt(key, stored.attempt.attempt_id) for key in keys]
        (item,) = (await read_for(target, SPACE, stores.chunks, TENANT, keys)).values()
    assert (item.dense is not None, item.sparse is not None) == keeps


def replace_attempt(key, attempt_id):  # type: ignore[no-untyped-def]  # a named tuple
    return key._replace(attempt_id=attempt_id)


def test_terms_are_made_of_every_language_this_version_knows() -> None:
    for encoder in (ENCODER, GERMAN):
        found = encoder_of(encoder.name)
        assert found is not None
        assert found.name == encoder.name
    older = "bm25/german/k1=1.2/b=0.75/average=40"
    assert encoder_of(older) is None
    nearest = nearest_encoder(older)
    assert nearest is not None
    assert nearest.name == GERMAN.name
    assert nearest_encoder("bm25/klingon/k1=1.2") is nearest_encoder("none") is None


async def test_sources_give_each_space_what_there_is_for_it() -> None:
    """The embedder of the settings, one that is open besides, the local one when it is asked for."""
    loaded: list[HashEmbedder] = []

    def load_local() -> HashEmbedder:
        loaded.append(HashEmbedder("local/small", 4))
        return loaded[-1]

    former = HashEmbedder("test/former", 16)
    sources = VectorSources(FIRST, ENCODER, {former.name: former}, load_local)

    async def made(space: VectorSpace) -> tuple[int | None, bool]:
        (item,) = await sources(space).complete(bare(1))
        return (None if item.dense is None else len(item.dense)), item.sparse is not None

    assert await made(SPACE) == (8, True)
    assert await made(VectorSpace("test/former", 16, GERMAN.name)) == (16, True)
    assert await made(VectorSpace("test/former", 17, ENCODER.name)) == (None, True)
    assert await made(VectorSpace("test/unknown", 16, "bm25/older")) == (None, False)
    assert loaded == []
    for sparse in (ENCODER.name, GERMAN.name):
        assert await made(VectorSpace("local/small", 4, sparse)) == (4, True)
    assert len(loaded) == 1
    assert await made(VectorSpace("local/other", 4, ENCODER.name)) == (None, True)
