"""The pool by itself: workers die, are replaced, and never take each other along."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.ingest import parsers
from services.ingest.model import DocumentType
from services.ingest.spool import parsed_file
from services.ingest.workers.pool import WorkerPool
from services.ingest.workers.worker_process import WorkerLimits
from tests.rpc.ingest_parser_support import misbehaving_read

LIMITS = WorkerLimits(memory_bytes=1 << 30, parse_seconds=20, chunk_size=50, chunk_overlap=10)


def children() -> set[int]:
    """Processes below this one and below its fork server."""
    found, waiting = set(), [os.getpid()]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            for pid in map(int, task.read_text().split()):
                found.add(pid)
                waiting.append(pid)
    return found


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    async with WorkerPool(parsers.read, LIMITS, workers=2, max_documents=100, clock=SystemClock()) as started:
        yield started


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


async def test_text_and_chunks_are_left_beside_the_upload(pool: WorkerPool, tmp_path: Path) -> None:
    """The answer is a summary; the rest is on disk."""
    upload = write(tmp_path, "u", "# T\n\n" + "word " * 100)
    summary = await pool.parse(upload, DocumentType.MARKDOWN)
    assert summary.title == "T"
    batches = list(parsed_file.batches(upload, summary, max_chunks=1000, max_bytes=10**6))
    assert len(batches) == 1
    assert len(batches[0].chunks) == summary.chunk_count > 5


async def test_parsers_errors_come_with_their_metadata(pool: WorkerPool, tmp_path: Path) -> None:
    """As errors of the contract."""
    with pytest.raises(DocuQueryError) as caught:
        await pool.parse(write(tmp_path, "u", " \n "), DocumentType.TEXT)
    assert caught.value.reason_name == "NO_TEXT"


async def test_the_death_of_idle_workers_costs_nothing(pool: WorkerPool, tmp_path: Path) -> None:
    """Killed while they wait, they are replaced, and the next documents are read."""
    before = {worker.process.pid for worker in pool._all}
    for pid in before:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    uploads = [write(tmp_path, f"u{i}", f"text {i}") for i in range(6)]
    summaries = await asyncio.gather(*(pool.parse(u, DocumentType.TEXT) for u in uploads))
    assert [s.character_count for s in summaries] == [6] * 6
    assert not before & {worker.process.pid for worker in pool._all}


async def test_documents_wait_for_a_free_worker(pool: WorkerPool, tmp_path: Path) -> None:
    """Fifty at once through two workers."""
    uploads = [write(tmp_path, f"u{i}", f"text {i:02}") for i in range(50)]
    summaries = await asyncio.gather(*(pool.parse(u, DocumentType.TEXT) for u in uploads))
    assert len(summaries) == 50
    assert len(pool._all) == 2


async def test_cancelling_at_any_moment_of_a_crash_leaves_no_process(tmp_path: Path) -> None:
    """Before it, while the second process is being made, while that one reads: one good worker is left."""
    upload = write(tmp_path, "bad", "DIE")
    async with WorkerPool(
        misbehaving_read, LIMITS, workers=1, max_documents=100, clock=SystemClock()
    ) as pool:
        await pool.parse(write(tmp_path, "u", "text"), DocumentType.TEXT)
        before = len(children())
        for hundredths in range(12):
            parsing = asyncio.create_task(pool.parse(upload, DocumentType.TEXT))
            await asyncio.sleep(hundredths / 100)
            parsing.cancel()
            await asyncio.gather(parsing, return_exceptions=True)
        summary = await pool.parse(write(tmp_path, "u", "text"), DocumentType.TEXT)
        assert summary.character_count == 4
        async with asyncio.timeout(5):
            while len(pool._all) > 1 or len(children()) > before:  # noqa: ASYNC110 - processes end
                await asyncio.sleep(0.02)


async def test_a_document_that_kills_its_reader_is_read_again_by_the_other_one(tmp_path: Path) -> None:
    """In a process of its own, so that what the first one did to itself does not matter."""
    async with WorkerPool(
        misbehaving_read,
        LIMITS,
        workers=1,
        max_documents=100,
        clock=SystemClock(),
        read_again=parsers.read,
    ) as pool:
        first = {worker.process.pid for worker in pool._all}
        summary = await pool.parse(write(tmp_path, "u", "DIE"), DocumentType.TEXT)
        assert summary.character_count == 3
        summary = await pool.parse(write(tmp_path, "v", "next"), DocumentType.TEXT)
        assert summary.character_count == 4
        assert not first & {worker.process.pid for worker in pool._all}


async def test_closing_leaves_no_process(tmp_path: Path) -> None:
    """Every worker is gone; only the fork server stays for the next pool."""
    async with WorkerPool(parsers.read, LIMITS, workers=2, max_documents=9, clock=SystemClock()) as pool:
        pids = {worker.process.pid for worker in pool._all}
        assert pids <= children()
    begin = time.monotonic()
    while pids & children():
        assert time.monotonic() - begin < 5
        await asyncio.sleep(0.02)


def not_importable() -> object:
    """A function that no process can import."""

    def inner(path: Path, kind: DocumentType, password: str) -> object:
        return None

    return inner


async def test_a_pool_that_cannot_start_says_so() -> None:
    """Instead of waiting for ever."""
    starting = WorkerPool(not_importable(), LIMITS, workers=1, max_documents=9, clock=SystemClock())
    with pytest.raises((OSError, AttributeError)):
        async with starting:
            pass


async def test_a_killed_fork_server_is_started_again(tmp_path: Path) -> None:
    """Whoever needs the next worker does not notice."""
    async with WorkerPool(parsers.read, LIMITS, workers=1, max_documents=9, clock=SystemClock()):
        fork_server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined] # no public name
    os.kill(fork_server, signal.SIGKILL)
    async with WorkerPool(parsers.read, LIMITS, workers=1, max_documents=9, clock=SystemClock()) as pool:
        summary = await pool.parse(write(tmp_path, "u", "text"), DocumentType.TEXT)
    assert summary.character_count == 4
