"""kill -9 of any process at any moment loses nothing acknowledged and shows nothing half-done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from qdrant_edge import EdgeShard

from docuquery.common.v1.document_pb2 import Document, DocumentStatus
from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery_client import ApiError, AsyncDocuQuery
from docuquery_client.resume import Pause, upload_resuming
from docuquery_client.upload_files import UploadFile
from tests.e2e.support import running_system

DOCUMENTS = 1000
PARAGRAPHS = 4
SAMPLE = 40
"""Documents of which every chunk is looked for by search."""
VICTIMS = ("ingest", "retrieval", "gateway")


def word_of(number: int) -> str:
    """A word that one document alone holds."""
    return f"zq{number:04}x"


def write_documents(folder: Path) -> list[UploadFile]:
    """Documents of several chunks each, every one with a word of its own in each paragraph."""
    folder.mkdir()
    files = []
    for number in range(DOCUMENTS):
        path = folder / f"doc{number:04}.txt"
        sentence = "The gauge was read. " * 20
        path.write_text("\n\n".join(f"Entry {word_of(number)} {i}. {sentence}" for i in range(PARAGRAPHS)))
        files.append(UploadFile.of(path))
    return files


class Upload:
    """A stream of all documents by a client that re-sends by itself, and what it was told."""

    def __init__(self, client: AsyncDocuQuery, files: list[UploadFile]) -> None:
        self.indexed: dict[str, Document] = {}
        """File name → the document as it was acknowledged."""
        self.breaks = 0
        """How often the stream broke."""
        self.task = asyncio.create_task(self._run(client, files))

    async def _run(self, client: AsyncDocuQuery, files: list[UploadFile]) -> None:
        async for event in upload_resuming(client, files, on_pause=self._paused):
            assert event.failed is None, (event.file.path, event.reason)
            if event.document is not None:
                assert event.document.filename not in self.indexed
                self.indexed[event.document.filename] = event.document

    def _paused(self, pause: Pause) -> None:
        self.breaks += pause.error is not None

    async def reach(self, count: int) -> None:
        """Waits until `count` documents are acknowledged."""
        while len(self.indexed) < count:
            if self.task.done():
                self.task.result()
            assert not self.task.done(), "the stream ended before the kill"
            await asyncio.sleep(0.005)


async def assert_acknowledged(client: AsyncDocuQuery, acknowledged: dict[str, Document]) -> None:
    """Every one of `acknowledged` is listed once, searchable in the version that was acknowledged."""
    listed = {document.filename: document async for document in client.documents(page_size=200)}
    for name, document in acknowledged.items():
        assert listed[name].status == DocumentStatus.DOCUMENT_STATUS_INDEXED
        assert listed[name].live_version == document.live_version


async def assert_found_whole_and_once(client: AsyncDocuQuery, number: int, document: Document) -> None:
    """A search for the document's word finds its chunks, each once, of its live version, and no others."""
    found = (await client.search(word_of(number), limit=200, mode=SearchMode.SEARCH_MODE_SPARSE)).passages
    assert {passage.document_id for passage in found} == {document.document_id}
    assert {passage.version for passage in found} == {document.live_version}
    assert len({passage.chunk_id for passage in found}) == len(found) == document.chunk_count


def stored_chunks(data_dir: Path) -> int:
    """Chunks in the engine's own files, whoever they belong to; the retrieval service must be stopped."""
    shards = [path for path in data_dir.rglob("chunks") if path.is_dir()]
    assert shards
    return sum(EdgeShard.load(str(shard)).info().points_count for shard in shards)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_thousand_documents_survive_the_death_of_every_service_they_pass(tmp_path: Path) -> None:
    """Ingest, retrieval and gateway are killed in the middle of a stream; the client goes on by itself.

    Nothing acknowledged is lost at any moment; in the end each document is there exactly once, and neither
    the searches nor the store hold anything else.
    """
    files = write_documents(tmp_path / "documents")
    async with running_system(tmp_path / "data") as system:
        upload = Upload(system.client, files)
        for turn, victim in enumerate(VICTIMS, start=1):
            await upload.reach(turn * DOCUMENTS // (len(VICTIMS) + 1))
            await system.kill(victim)
            acknowledged = dict(upload.indexed)
            await system.restart(victim)
            await assert_acknowledged(system.client, acknowledged)
        await upload.task
        assert upload.breaks >= 2  # retrieval's death is bridged by ingest
        assert len(upload.indexed) == DOCUMENTS

        listed = [document async for document in system.client.documents(page_size=200)]
        assert {document.filename for document in listed} == set(upload.indexed)
        assert len(listed) == len({document.document_id for document in listed}) == DOCUMENTS
        assert {document.status for document in listed} == {DocumentStatus.DOCUMENT_STATUS_INDEXED}
        assert min(document.chunk_count for document in listed) >= PARAGRAPHS
        stats = await system.client.get_stats()
        assert stats.indexed_document_count == DOCUMENTS
        assert stats.processing_document_count == stats.failed_document_count == 0
        assert stats.chunk_count == sum(document.chunk_count for document in listed)
        for number in range(0, DOCUMENTS, DOCUMENTS // SAMPLE):
            await assert_found_whole_and_once(system.client, number, upload.indexed[f"doc{number:04}.txt"])

        # What the killed attempts left behind is swept at the latest when retrieval starts.
        await system.kill("retrieval")
        await system.restart("retrieval")
        assert (await system.client.get_stats()).chunk_count == stats.chunk_count
    assert stored_chunks(tmp_path / "data" / "retrieval") == stats.chunk_count


@pytest.mark.slow
async def test_a_killed_answer_service_comes_back_without_the_gateway_being_restarted(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        await system.client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")
        await system.kill("answer")
        with pytest.raises(ApiError) as caught:
            await system.client.ask("What is the mascot of the firm?")
        assert caught.value.reason in ("SERVICE_UNAVAILABLE", "CIRCUIT_OPEN")
        await system.restart("answer")
        result = await system.client.ask("What is the mascot of the firm?")
        assert "heron" in result.answer
