"""kill -9 of any process at any moment loses nothing acknowledged and shows nothing half-done."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from docuquery.common.v1 import document_pb2
from docuquery_client import ApiError, AsyncDocuQuery
from tests.e2e.support import System, running_system

DOCUMENTS = 60
PARAGRAPHS = 12


def write_documents(folder: Path) -> list[Path]:
    """Documents of several chunks each, every one with a word of its own."""
    folder.mkdir()
    paths = []
    for number in range(DOCUMENTS):
        path = folder / f"doc{number:03}.txt"
        paragraphs = [
            f"Entry zq{number:03} paragraph {i}. " + "The gauge was read. " * 20 for i in range(PARAGRAPHS)
        ]
        path.write_text("\n\n".join(paragraphs))
        paths.append(path)
    return paths


async def upload_until_killed(client: AsyncDocuQuery, paths: list[Path], indexed: dict[str, str]) -> None:
    """Uploads; records what was acknowledged as searchable, until the stream breaks or ends."""
    try:
        async for event in client.upload_many(paths):
            if event.document is not None and event.finished and event.failed is None:
                indexed[event.document.filename] = event.document.live_version
    except ApiError:
        pass


async def assert_whole(client: AsyncDocuQuery, expected: dict[str, str]) -> None:
    """Every expected document is there, whole and once; every hit belongs to a listed live version."""
    listed = [document async for document in client.documents()]
    by_name = Counter(document.filename for document in listed)
    assert all(count == 1 for count in by_name.values()), by_name
    live = {d.filename: d for d in listed if d.status == document_pb2.DOCUMENT_STATUS_INDEXED}
    assert expected.items() <= {name: d.live_version for name, d in live.items()}.items()
    versions = {document.live_version for document in live.values()}
    for name in sorted(live):
        found = (await client.search(f"z{name.removesuffix('.txt').replace('doc', 'q')}", limit=200)).passages
        assert {passage.version for passage in found} <= versions
        assert len({passage.chunk_id for passage in found}) == len(found)
        own = [passage for passage in found if passage.filename == name]
        if name in expected:
            assert len(own) == live[name].chunk_count, name


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["ingest", "retrieval", "gateway"])
async def test_nothing_acknowledged_is_lost_when_a_process_is_killed(victim: str, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "documents")
    async with running_system(tmp_path / "data") as system:
        indexed: dict[str, str] = {}
        uploading = asyncio.create_task(upload_until_killed(system.client, paths, indexed))
        while len(indexed) < DOCUMENTS // 4:
            assert not uploading.done(), "the stream ended before the kill"
            await asyncio.sleep(0.005)
        await system.kill(victim)
        await system.restart(victim)
        await uploading
        assert len(indexed) < DOCUMENTS or victim == "retrieval", "the kill came too late to test anything"
        await assert_whole(system.client, indexed)

        await resend(system, paths, indexed)
        await assert_whole(system.client, indexed)
        stats = await system.client.get_stats()
        assert stats.indexed_document_count == DOCUMENTS
        assert stats.processing_document_count == stats.failed_document_count == 0


async def resend(system: System, paths: list[Path], indexed: dict[str, str]) -> None:
    """Sends everything again: what is there stays as it is, the rest is added."""
    before = dict(indexed)
    results: Counter[int] = Counter()
    async for event in system.client.upload_many(paths):
        assert event.failed is None, event.reason
        if event.document is not None and event.finished:
            results[event.progress.done.result] += 1
            indexed[event.document.filename] = event.document.live_version
    assert sum(results.values()) == DOCUMENTS
    assert results[document_pb2.UPLOAD_RESULT_UNCHANGED] >= len(before)
    assert before.items() <= indexed.items()


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
