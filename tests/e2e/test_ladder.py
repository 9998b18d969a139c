"""Every rung of the ladder, one after the other, each named in the reply; uploads refuse and keep nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from docuquery.common.v1.answer_pb2 import DegradationKind
from docuquery.common.v1.document_pb2 import DOCUMENT_STATUS_INDEXED
from docuquery_client import ApiError
from tests.contract import embeddings_server
from tests.contract.embeddings_server import EmbeddingsServer
from tests.contract.llm_server import LlmServer, Status
from tests.contract.rerank_server import RerankServer
from tests.e2e.faults import OPENAI
from tests.e2e.support import running_system

QUESTION = "What is the mascot of the firm?"


def kinds(degradations: Sequence[object]) -> list[str]:
    names = [DegradationKind.Name(one.kind) for one in degradations]  # type: ignore[attr-defined]  # Degradation
    return [name.removeprefix("DEGRADATION_KIND_") for name in names]


async def test_each_rung_answers_and_is_named(tmp_path: Path) -> None:
    with RerankServer() as rerank:
        await climb_down(tmp_path, rerank)


async def climb_down(folder: Path, rerank: RerankServer) -> None:
    async with (
        EmbeddingsServer() as embeddings,
        LlmServer() as llm,
        running_system(
            folder,
            EMBEDDING_PROVIDER="openai",
            EMBEDDING_MODEL="m",
            EMBEDDING_BASE_URL=embeddings.url,
            EMBEDDING_CACHE_BYTES="0",
            ENABLE_RERANKING="true",
            RERANKER="http",
            RERANK_URL=rerank.url,
            OPENAI_BASE_URL=f"http://127.0.0.1:{llm.port}/v1",
            INGEST_RETRIEVAL_RETRY_SECONDS="5",
        ) as system,
    ):
        client = system.client
        llm.play(*OPENAI)
        await client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")

        whole = await client.ask(QUESTION)
        assert (whole.provider, kinds(whole.degradations)) == ("openai", [])

        rerank.status = 500
        second = await client.ask(QUESTION)
        assert (second.provider, kinds(second.degradations)) == ("openai", ["RERANK_SKIPPED"])

        embeddings.play(then=embeddings_server.Status(401))
        third = await client.ask(QUESTION)
        assert (third.provider, kinds(third.degradations)) == ("openai", ["SPARSE_ONLY", "RERANK_SKIPPED"])
        found = await client.search("mascot")
        assert kinds(found.degradations) == ["SPARSE_ONLY", "RERANK_SKIPPED"]
        assert len(found.passages) == 1

        llm.play(Status(500))
        last = await client.ask(QUESTION)
        assert last.provider == "extractive"
        assert kinds(last.degradations) == [
            "SPARSE_ONLY",
            "RERANK_SKIPPED",
            "PROVIDER_FALLBACK",
            "EXTRACTIVE_ONLY",
        ]
        assert last.answer == "The mascot of the firm is a heron."

        # An upload without an embedder would be found by half of the searches: it is refused, with the cause.
        before = await client.get_stats()
        with pytest.raises(ApiError) as caught:
            await client.upload_document("lockers.txt", b"The lockers are green.")
        assert (caught.value.reason, caught.value.retryable) == ("EMBEDDER_UNAVAILABLE", True)
        assert list((await client.search("lockers")).passages) == []
        after = await client.get_stats()
        assert (after.chunk_count, after.indexed_document_count) == (
            before.chunk_count,
            before.indexed_document_count,
        )
        assert after.processing_document_count == 0

        await system.kill("retrieval")  # the embedder's long parking is forgotten with the process
        embeddings.play()
        await system.restart("retrieval")
        again = await client.upload_document("lockers.txt", b"The lockers are green.")
        assert again.document.status == DOCUMENT_STATUS_INDEXED
