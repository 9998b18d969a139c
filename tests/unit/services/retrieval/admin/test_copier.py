"""A copy holds what the source holds, goes on where it stopped, and brings over what has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.admin.console import AdminError
from services.retrieval.admin.copier import Copied, StoreCopier
from services.retrieval.admin.vectors import Vectors
from services.retrieval.indexing.indexer import contextual_text
from services.retrieval.model import Chunk, ChunkKey, Status
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder
from tests.contract.retrieval_samples import embedded, record
from tests.unit.services.retrieval.admin.support import (
    ENCODER,
    SPACE,
    TENANT,
    HashEmbedder,
    contents,
    paragraphs_of,
    put,
    put_unfinished,
)

SECOND = VectorSpace("test/second", 16, ENCODER.name)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def source(stack: AsyncExitStack, tmp_path: Path) -> Stores:
    return await stack.enter_async_context(open_edge(tmp_path / "source", SPACE))


@pytest.fixture
async def target(stack: AsyncExitStack, tmp_path: Path) -> Stores:
    return await stack.enter_async_context(open_edge(tmp_path / "target", SPACE))


async def copy(
    source: Stores, target: Stores, vectors: Vectors | None = None, *, prune: bool = True
) -> tuple[Copied, int]:
    told: list[int] = []
    copier = StoreCopier(
        source, target, vectors or Vectors(source.chunks), prune=prune, on_chunks=told.append
    )
    return await copier.copy(await source.upkeep.tenants()), sum(told)


async def test_records_text_chunks_and_vectors_of_every_tenant_arrive(source: Stores, target: Stores) -> None:
    tenants = (TENANT, "zeta")
    for tenant in tenants:
        for number in (1, 2, 3):
            await put(source, number, tenant=tenant)
    copied, told = await copy(source, target)
    assert copied == Copied(documents=6, chunks=24)
    assert told == 24
    expected = await contents(source, tenants)
    assert len(expected) == 6 + 6 + 24
    assert await contents(target, tenants) == expected


async def test_a_second_copy_finds_nothing_to_do(source: Stores, target: Stores) -> None:
    await put(source, 1)
    await copy(source, target)
    assert await copy(source, target) == (Copied(), 4)


async def test_a_large_document_passes_in_several_batches(source: Stores, target: Stores) -> None:
    await put(source, 1, [f"Paragraph {i} of many." for i in range(1100)])
    copied, told = await copy(source, target)
    assert (copied.chunks, told) == (1100, 1100)
    assert await contents(target) == await contents(source)


async def test_a_second_copy_brings_over_new_versions_and_removals(source: Stores, target: Stores) -> None:
    for number in (1, 2, 3):
        await put(source, number)
    await copy(source, target)
    old = await source.records.get(TENANT, record(1).document_id)
    assert old is not None
    await put(source, 1, paragraphs_of(9, 2))
    gone = await source.records.get(TENANT, record(2).document_id)
    assert gone is not None
    await source.records.remove(TENANT, gone.document_id, expected_revision=gone.revision)
    await put(source, 4)
    copied, _ = await copy(source, target)
    assert copied == Copied(documents=2, chunks=6, removed=1)
    assert await contents(target) == await contents(source)
    for attempt in (old.attempt.attempt_id, gone.attempt.attempt_id):
        assert await target.chunks.count(TENANT, attempt) == 0
        assert list(await target.texts.extents(TENANT, attempt)) == []


async def test_an_open_attempt_arrives_ended_and_its_chunks_stay_behind(
    source: Stores, target: Stores
) -> None:
    await put(source, 1)
    opened = record(2, live=False, status=Status.PROCESSING)
    assert await source.records.put(TENANT, opened, expected_revision=None)
    await copy(source, target)
    moved = await target.records.get(TENANT, opened.document_id)
    assert moved is not None
    assert moved.attempt.status is Status.FAILED
    assert moved.attempt.error is not None
    assert moved.attempt.error.retryable
    assert not await target.records.open_attempts(TENANT)


async def test_leftovers_are_not_copied(source: Stores, target: Stores) -> None:
    await put(source, 1)
    left = await put_unfinished(source, 2)
    await copy(source, target)
    assert await target.chunks.count(TENANT, left) == 0


async def test_what_an_interrupted_copy_had_embedded_is_not_embedded_again(
    source: Stores, stack: AsyncExitStack, tmp_path: Path
) -> None:
    class Failing(HashEmbedder):
        """Gives up at the second batch."""

        async def embed_passages(self, texts):  # type: ignore[no-untyped-def]  # as in the base class
            if self.embedded >= 512:
                raise RuntimeError("killed")
            return await super().embed_passages(texts)

    target = await stack.enter_async_context(open_edge(tmp_path / "second", SECOND))
    await put(source, 1, [f"Paragraph {i} of many." for i in range(800)])
    with pytest.raises(RuntimeError, match="killed"):
        await copy(source, target, Vectors(source.chunks, Failing("test/second", 16)))
    assert await target.records.get(TENANT, record(1).document_id) is None  # nobody sees half of it
    embedder = HashEmbedder("test/second", 16)
    copied, _ = await copy(source, target, Vectors(source.chunks, embedder))
    assert embedder.embedded == copied.chunks == 800 - 512


async def test_new_vectors_are_those_an_upload_would_have_made(
    source: Stores, stack: AsyncExitStack, tmp_path: Path
) -> None:
    target = await stack.enter_async_context(open_edge(tmp_path / "second", SECOND))
    embedder = HashEmbedder("test/second", 16)
    stored = await put(source, 1)
    await copy(source, target, Vectors(source.chunks, embedder, ENCODER))
    keys = [ChunkKey(stored.attempt.attempt_id, i) for i in range(4)]
    found = await target.chunks.embedded(TENANT, keys)
    assert len(found) == 4
    for item in found.values():
        text = contextual_text(item.chunk)
        assert "Title › Part" in text
        assert np.allclose(item.dense, await embedder.embed_query(text), atol=2e-3)
        assert item.sparse.indices == ENCODER.document(text, "").indices


async def test_terms_are_made_anew_in_each_chunks_language(source: Stores) -> None:
    attempt = record(1).attempt.attempt_id
    items = [embedded(attempt, i) for i in range(3)]
    chunks = [replace(item.chunk, language=code) for item, code in zip(items, ("", "de", "en"), strict=True)]
    await source.chunks.write(TENANT, list(map(replace_chunk, items, chunks)))
    french = Bm25Encoder("french")
    made = await Vectors(source.chunks, encoder=french).of(TENANT, [chunk.key for chunk in chunks])
    assert [item.chunk.language for item in made] == ["", "de", "en"]
    for item in made:
        expected = french.document(contextual_text(item.chunk), item.chunk.language)
        assert item.sparse.indices == expected.indices


def replace_chunk(item: EmbeddedChunk, chunk: Chunk) -> EmbeddedChunk:
    return replace(item, chunk=chunk)


async def test_an_embedder_that_cannot_be_reached_is_waited_for(source: Stores) -> None:
    class Flaky(HashEmbedder):
        """Fails once."""

        failures = 1

        async def embed_passages(self, texts):  # type: ignore[no-untyped-def]  # as in the base class
            if self.failures:
                self.failures -= 1
                raise DocuQueryError(
                    reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "Away.", retry_after_seconds=7.0
                )
            return await super().embed_passages(texts)

    stored = await put(source, 1)
    clock = ManualClock()
    before = clock.monotonic()
    vectors = Vectors(source.chunks, Flaky(), clock=clock)
    assert len(await vectors.of(TENANT, [ChunkKey(stored.attempt.attempt_id, 0)])) == 1
    assert clock.monotonic() - before == 7.0


async def test_a_document_with_a_missing_chunk_stops_the_copy(source: Stores, target: Stores) -> None:
    made = await put(source, 1)
    assert made.live is not None
    wrong = replace(made, revision=made.revision + 1, live=replace(made.live, chunk_count=5))
    assert await source.records.put(TENANT, wrong, expected_revision=made.revision)
    with pytest.raises(AdminError, match="docuquery admin check"):
        await copy(source, target)
    assert await target.records.get(TENANT, made.document_id) is None


async def test_without_pruning_the_target_keeps_what_is_its_own_or_newer(
    source: Stores, target: Stores
) -> None:
    await put(source, 1)
    await put(source, 2)
    await put(target, 3)
    newer = await put(target, 1, paragraphs_of(7))
    newer = replace(newer, revision=9, update_time=newer.update_time.replace(year=2030))
    assert await target.records.put(TENANT, newer, expected_revision=1)
    copied, _ = await copy(source, target, prune=False)
    assert copied == Copied(documents=1, chunks=4, kept=1, only_in_target=1)
    assert await target.records.get(TENANT, newer.document_id) == newer
