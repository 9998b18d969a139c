"""The service over a remote embedder: what is done is never done again, and a failure is told as such."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_SPARSE
from libs.errors import DocuQueryError
from tests.contract.embeddings_server import EmbeddingsServer, Slow, Status
from tests.rpc.retrieval_support import Client, Draft, running

DRAFT = Draft("guide.txt", [f"Paragraph {i} is about harbour number {i * 7}." for i in range(16)])


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingsServer]:
    async with EmbeddingsServer() as started:
        yield started


@asynccontextmanager
async def retrieval(server: EmbeddingsServer, folder: Path, **fields: Any) -> AsyncIterator[Client]:
    values = {
        "embedding_provider": "openai",
        "embedding_model": "m",
        "embedding_base_url": server.url,
        "embedding_batch_texts": 4,
        "embedding_cache_bytes": 0,
    }
    async with running(folder, **(values | fields)) as client:
        server.requests.clear()  # the one for the dimensions
        yield client


async def test_documents_are_found_by_the_vectors_of_the_server(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    async with retrieval(server, tmp_path) as client:
        await client.upload(DRAFT)
        found = await client.search("harbour number 49")
        assert found[0].text == DRAFT.paragraphs[7]
        assert (await client.stats()).embedder == "openai/m"


async def test_the_batches_of_a_message_are_embedded_side_by_side(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    async with retrieval(server, tmp_path, embedding_concurrency=3) as client:
        server.play(then=Slow(0.1))
        await client.upload(DRAFT)
        assert server.most_under_way == 3


async def test_a_429_in_the_middle_costs_one_request_and_no_chunk_twice(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    async with retrieval(server, tmp_path, embedding_concurrency=1) as client:
        begun = await client.begin(DRAFT)
        server.play()
        await client.call(DRAFT.piece(begun, 0, 8))
        server.play(Status(429, headers={"retry-after-ms": "50"}))
        await client.call(DRAFT.piece(begun, 8, 16))
        await client.call(DRAFT.commit(begun))
        assert len(server.requests) == 5
        assert len(set(server.texts)) == 16


async def test_a_call_that_failed_in_the_middle_goes_on_where_it_was(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    """Batches before and after the failed one are kept; the repeated call asks for the rest only."""
    async with retrieval(server, tmp_path) as client:
        begun = await client.begin(DRAFT)
        server.play(Status(400))
        with pytest.raises(DocuQueryError) as caught:
            await client.call(DRAFT.piece(begun))
        assert caught.value.reason == reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE
        assert len(server.texts) == 16
        server.requests.clear()
        await client.call(DRAFT.piece(begun))
        assert len(server.texts) == 4
        await client.call(DRAFT.commit(begun))
        assert len(await client.search("harbour", limit=20)) == 16


async def test_while_the_server_is_down_words_still_find(server: EmbeddingsServer, tmp_path: Path) -> None:
    async with retrieval(server, tmp_path) as client:
        await client.upload(DRAFT)
        server.requests.clear()
        server.play(then=Status(401))
        for _ in range(3):
            with pytest.raises(DocuQueryError) as caught:
                await client.search("harbour number 49")
            assert caught.value.reason == reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE
            assert caught.value.retryable
            assert caught.value.retry_after_seconds == pytest.approx(60.0, abs=5.0)
            assert "EMBEDDING_API_KEY" in caught.value.message
        assert len(server.requests) == 1, "the others know without asking"
        found = await client.search("harbour number 49", mode=SEARCH_MODE_SPARSE)
        assert found[0].text == DRAFT.paragraphs[7]


async def test_an_upload_that_is_given_up_leaves_nothing(server: EmbeddingsServer, tmp_path: Path) -> None:
    async with retrieval(server, tmp_path) as client:
        begun = await client.begin(DRAFT)
        server.play(Status(400))
        with pytest.raises(DocuQueryError):
            await client.call(DRAFT.piece(begun))
        with pytest.raises(DocuQueryError) as caught:
            await client.call(DRAFT.commit(begun))
        assert caught.value.reason == reasons.ERROR_REASON_INVALID_REQUEST
        assert await client.search("harbour", mode=SEARCH_MODE_SPARSE) == []


async def test_the_same_text_again_is_not_paid_for_again_even_after_a_restart(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    async with retrieval(server, tmp_path, embedding_cache_bytes=2**20) as client:
        await client.upload(DRAFT)
        assert len(server.texts) == 16
    server.play(then=Status(500))
    async with retrieval(
        server, tmp_path, embedding_cache_bytes=2**20, embedding_timeout_seconds=1.0
    ) as client:
        await client.upload(Draft("copy.txt", DRAFT.paragraphs))
        assert server.requests == []
        assert len(await client.list()) == 2


async def test_the_same_store_with_another_model_is_refused(server: EmbeddingsServer, tmp_path: Path) -> None:
    async with retrieval(server, tmp_path) as client:
        await client.upload(DRAFT)
    with pytest.raises(DocuQueryError) as caught:
        async with retrieval(server, tmp_path, embedding_model="other"):
            pass
    assert caught.value.reason == reasons.ERROR_REASON_STORE_MISMATCH
