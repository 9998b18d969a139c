"""A laptop's store changes its embedding model under the four running services."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from docuquery.common.v1.answer_pb2 import DEGRADATION_KIND_SPARSE_ONLY
from docuquery.common.v1.passage_pb2 import SearchMode
from tests.contract.embeddings_server import EmbeddingsServer, Received, Slow, Status, Step
from tests.e2e.support import SAMPLES, System, ingest_all, running_system
from tests.rpc.reindex_support import eventually

QUESTION = "What is the hotel limit per night in Paris?"


class Retiring(EmbeddingsServer):
    """Knows some models no longer."""

    retired: frozenset[str] = frozenset()

    def _next(self, request: Received) -> Step:
        if request.body["model"] in self.retired:
            return Status(404, code="model_not_found")
        return super()._next(request)


def settings(server: EmbeddingsServer, model: str, **fields: str) -> dict[str, str]:
    return {
        "EMBEDDING_PROVIDER": "openai",
        "EMBEDDING_BASE_URL": server.url,
        "EMBEDDING_MODEL": model,
        "EMBEDDING_BATCH_TEXTS": "4",
        "EMBEDDING_CACHE_BYTES": "0",
        **fields,
    }


async def status(system: System) -> str:
    """What `docuquery status` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "docuquery_client.cli", "--address", system.address, "status"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "400"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def is_done(system: System) -> bool:
    return not (await system.client.get_system_status()).HasField("reindex")


@pytest.mark.slow
async def test_questions_are_answered_by_words_until_the_new_model_has_embedded_everything(
    tmp_path: Path,
) -> None:
    """The former model is gone: replies say what they do without, `docuquery status` how far it is."""
    async with Retiring() as server:
        async with running_system(tmp_path, **settings(server, "former")) as system:
            await ingest_all(system.client, SAMPLES)
            assert "embedder openai/former" in await status(system)
        server.retired = frozenset({"former"})
        server.play(then=Slow(0.3))
        changing = settings(server, "wanted", REINDEX="background")
        async with running_system(tmp_path, **changing) as system:
            answer = await system.client.ask(QUESTION)
            assert [d.kind for d in answer.degradations].count(DEGRADATION_KIND_SPARSE_ONLY) == 1
            assert answer.citations
            said = await status(system)
            assert "reindex to openai/wanted" in said
            assert "embedder openai/former" in said
            await system.client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")
            found = await system.client.search("mascot of the firm", limit=1)
            assert found.passages[0].filename == "mascot.txt"
            server.play()
            await eventually(partial(is_done, system))
            answer = await system.client.ask(QUESTION)
            assert DEGRADATION_KIND_SPARSE_ONLY not in [d.kind for d in answer.degradations]
            by_meaning = SearchMode.SEARCH_MODE_DENSE
            found = await system.client.search("mascot of the firm", limit=1, mode=by_meaning)
            assert found.passages[0].filename == "mascot.txt"
            assert "reindex" not in await status(system)
            events = [line["event"] for line in system.log_lines("retrieval")]
            assert events.count("reindex_switched") == 1
