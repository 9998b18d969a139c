"""Restarts and kills: what was acknowledged is there, what was half done is not seen."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1 import document_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from libs.rpc.channel import open_channel
from services.retrieval.app import STORES, start
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder
from tests.rpc.retrieval_support import MIB, Client, Draft, ShiftedClock, running, settings, where

ROOT = Path(__file__).parents[2]


def draft(number: int, revision: int = 0) -> Draft:
    paragraphs = [f"Document {number}, revision {revision}, paragraph {i} on harbours." for i in range(20)]
    return Draft(f"harbours/{number}.txt", paragraphs)


async def test_everything_is_found_again_after_a_restart(tmp_path: Path, store: dict[str, Any]) -> None:
    """Documents of all tenants, page tokens, texts; and ids and create times stay the same."""
    async with running(tmp_path, **store) as client:
        for number in range(3):
            await client.upload(draft(number))
        await client.of("globex").upload(draft(7))
        before = await client.list()
        token = (await client.call(pb.ListDocumentsRequest(page_size=1))).next_page_token
    async with running(tmp_path, **store) as client:
        assert await client.list() == before
        second = await client.call(pb.ListDocumentsRequest(page_token=token))
        assert [d.source for d in second.documents] == ["harbours/1.txt", "harbours/0.txt"]
        assert len(await client.search("harbours", limit=200)) == 60
        assert len(await client.of("globex").search("harbours", limit=200)) == 20
        request = pb.GetPassageRequest(document_id=before[0].document_id, char_end=8)
        assert (await client.call(request)).text == "Document"
        assert (await client.upload(draft(1, revision=1))).result == document_pb2.UPLOAD_RESULT_REPLACED


async def test_an_attempt_goes_on_after_a_restart_of_retrieval(tmp_path: Path, store: dict[str, Any]) -> None:
    """Its token, its chunks and its lease outlive the process; nothing of it was visible meanwhile."""
    async with running(tmp_path, **store) as client:
        begun = await client.begin(draft(1))
        await client.call(draft(1).piece(begun, 0, 10))
    async with running(tmp_path, **store) as client:
        assert await client.search("harbours") == []
        assert (await client.call(draft(1).piece(begun, 10, 20))).chunks_written == 20
        await client.call(draft(1).commit(begun))
        assert len(await client.search("harbours", limit=100)) == 20


async def test_leftovers_are_swept_at_the_start(tmp_path: Path, store: dict[str, Any]) -> None:
    """Replaced versions and abandoned attempts that were not deleted before the stop are deleted after it."""
    async with running(tmp_path, old_version_grace_seconds=3600, **store) as client:
        for revision in range(3):
            await client.upload(draft(1, revision))
        abandoned = await client.begin(draft(2))
        await client.call(draft(2).piece(abandoned))
    async with opened(tmp_path, store) as stores:
        assert len(await stores.upkeep.unreferenced("acme")) == 2  # the open attempt is still referenced
    async with running(tmp_path, ShiftedClock(timedelta(days=1)), **store) as client:
        assert (await client.get(abandoned.document_id)).status == document_pb2.DOCUMENT_STATUS_FAILED
        assert len(await client.search("harbours", limit=200)) == 20
        if store:  # others may be reading: what is on a server goes after the grace
            await asyncio.sleep(2.0)
    async with opened(tmp_path, store) as stores:
        assert await stores.upkeep.tenants_to_check() == []
        assert list(await stores.upkeep.unreferenced("acme")) == []


def opened(folder: Path, store: dict[str, Any]) -> AbstractAsyncContextManager[Stores]:
    """The service's store, without the service."""
    chosen = settings(folder, **store)
    embedder = LocalEmbedder.load()
    space = VectorSpace(embedder.name, embedder.dimensions, Bm25Encoder(chosen.bm25_language).name)
    return STORES[chosen.vector_store](chosen, space, SystemClock())


async def test_a_second_process_on_the_folder_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(DocuQueryError) as caught:
            async with start(settings(tmp_path)):
                pytest.fail("two services opened one folder")
    assert caught.value.reason_name == "STORE_UNAVAILABLE"
    assert "Another process holds" in caught.value.message
    async with running(tmp_path) as client:  # and free again afterwards
        assert await client.list() == []


async def test_another_vector_space_is_refused(tmp_path: Path, store: dict[str, Any]) -> None:
    async with running(tmp_path, **store):
        pass
    with pytest.raises(DocuQueryError) as caught:
        async with start(settings(tmp_path, bm25_language="german", **store)):
            pytest.fail("opened with another word index")
    assert caught.value.reason_name == "STORE_MISMATCH"
    assert "BM25_LANGUAGE" in caught.value.message


def spawn(folder: Path, port: int, store: dict[str, Any]) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        **{name.upper(): str(value) for name, value in store.items()},
        "DATA_DIR": str(folder),
        "RETRIEVAL_PORT": str(port),
        "RETRIEVAL_OLD_VERSION_GRACE_SECONDS": "0",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "libs/gen"))),
    }
    command = [sys.executable, "-m", "services.retrieval"]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)


@asynccontextmanager
async def child(
    folder: Path, port: int, store: dict[str, Any]
) -> AsyncIterator[tuple[subprocess.Popen[bytes], Client]]:
    """The service as a process of its own."""
    with spawn(folder, port, store) as process:
        try:
            async with open_channel(f"127.0.0.1:{port}", max_message_bytes=16 * MIB) as channel:
                async with asyncio.timeout(60):
                    await channel.channel_ready()
                yield process, Client(channel)
        finally:
            process.kill()


@dataclass(slots=True)
class Writer:
    """Uploads, replaces and deletes documents until the service dies; notes what was acknowledged."""

    client: Client
    step_done: asyncio.Semaphore
    name: int
    acknowledged: dict[str, str | None] = field(default_factory=dict)
    """Source → live version, None when the delete was acknowledged."""
    under_way: str = ""
    attempted: set[str | None] = field(default_factory=set)
    """What the document under way may also have become: the call died before its reply."""
    ended_by: str = ""

    async def work(self) -> None:
        for step in range(10_000):
            document = draft(self.name * 1000 + step // 4, revision=step % 4)
            self.under_way = document.source
            try:
                if step % 4 == 3:
                    self.attempted = {None}
                    found = await self.client.list(filter=where("source", equals=document.source))
                    await self.client.delete(found[0].document_id)
                    self.acknowledged[document.source] = None
                else:
                    self.attempted = {document.version}
                    await self.client.upload(document)
                    self.acknowledged[document.source] = document.version
                self.step_done.release()
            except DocuQueryError as error:
                self.ended_by = error.reason_name
                return


async def test_a_kill_loses_nothing_acknowledged_and_shows_nothing_half_done(
    tmp_path: Path, unused_port: int, store: dict[str, Any]
) -> None:
    """SIGKILL in the middle of uploads, replacements and deletes by several writers, twice in a row."""
    writers: list[Writer] = []
    for round_number, acknowledgements in enumerate((7, 23)):
        async with child(tmp_path, unused_port, store) as (process, client):
            enough = asyncio.Semaphore(0)
            fresh = [Writer(client, enough, name=round_number * 10 + i + 1) for i in range(3)]
            tasks = [asyncio.create_task(writer.work()) for writer in fresh]
            for _ in range(acknowledgements):
                await enough.acquire()
            process.kill()
            await asyncio.gather(*tasks)
        assert {writer.ended_by for writer in fresh} == {"SERVICE_UNAVAILABLE"}
        writers += fresh

    async with running(tmp_path, **store) as client:
        documents = {d.source: d for d in await client.list()}
        live = {source: d.live_version or None for source, d in documents.items()}
        for writer in writers:
            for source, version in writer.acknowledged.items():
                allowed = {version} | (writer.attempted if source == writer.under_way else set())
                assert live.get(source) in allowed, source
        found = await client.search("harbours", limit=200)
        assert len(found) == min(200, 20 * sum(version is not None for version in live.values()))
        assert all(passage.version == live[passage.source] for passage in found)
        for document in documents.values():
            if document.live_version:
                request = pb.GetPassageRequest(
                    document_id=document.document_id, char_end=document.character_count
                )
                reply = await client.call(request)
                assert hashlib.sha256(reply.text.encode()).hexdigest() == document.live_version
                only = where("document_id", equals=document.document_id)
                chunks = await client.search("harbours", limit=200, filter=only)
                assert sorted(p.ordinal for p in chunks) == list(range(20))
        stats = await client.stats()
        assert stats.chunk_count == 20 * stats.indexed_document_count
        assert stats.indexed_document_count == sum(version is not None for version in live.values())


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
