"""Uploads on disk."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.errors import DocuQueryError
from services.ingest.spool.spool import Spool, require_size


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool", max_document_bytes=100) as entered:
        yield entered


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


async def test_large_pieces_are_written_by_a_thread(tmp_path: Path) -> None:
    """With the same result."""
    with Spool(tmp_path, max_document_bytes=10_000_000) as spool:
        writer = spool.open()
        for _ in range(3):
            await writer.write(b"ab" * 100_000)
        file = writer.finish()
        assert (file.size_bytes, file.path.stat().st_size) == (600_000, 600_000)
        assert file.sha256 == hashlib.sha256(b"ab" * 300_000).hexdigest()


async def test_bytes_are_written_and_hashed(spool: Spool) -> None:
    """Pieces add up to the file, with size and SHA-256."""
    writer = spool.open()
    await writer.write(b"hello ")
    await writer.write(b"world")
    digest = hashlib.sha256(b"hello world").hexdigest()
    file = writer.finish(digest.upper())
    assert (file.size_bytes, file.sha256) == (11, digest)
    assert file.path.read_bytes() == b"hello world"
    assert file.head(5) == b"hello"


async def test_too_many_bytes_are_refused_at_once(spool: Spool) -> None:
    """The write that goes over the limit fails, with the limit named."""
    writer = spool.open()
    await writer.write(b"x" * 100)
    with pytest.raises(DocuQueryError) as caught:
        await writer.write(b"x")
    assert caught.value.reason_name == "DOCUMENT_TOO_LARGE"
    assert caught.value.metadata == {"limit_bytes": "100"}
    writer.discard()


@pytest.mark.parametrize(
    ("content", "digest", "reason"), [(b"", "", "EMPTY_DOCUMENT"), (b"x", "0" * 64, "CHECKSUM_MISMATCH")]
)
async def test_what_cannot_be_finished_is_gone(
    spool: Spool, tmp_path: Path, content: bytes, digest: str, reason: str
) -> None:
    """A refused file does not stay on disk."""
    writer = spool.open()
    await writer.write(content)
    with pytest.raises(DocuQueryError) as caught:
        writer.finish(digest)
    assert caught.value.reason_name == reason
    assert files(tmp_path) == []


async def test_discarding_takes_what_was_derived_along(spool: Spool, tmp_path: Path) -> None:
    """Text and chunks go with the upload, others stay."""
    first, second = spool.open(), spool.open()
    for writer in (first, second):
        await writer.write(b"x")
    file, other = first.finish(), second.finish()
    file.path.with_name(file.path.name + ".parsed").write_text("derived")
    file.discard()
    assert files(tmp_path) == [other.path.name]


async def test_a_cancelled_write_leaves_nothing(tmp_path: Path) -> None:
    """Discarding while a thread writes waits for the thread, then removes the file."""
    with Spool(tmp_path, max_document_bytes=10_000_000) as spool:
        await cancel_a_write(spool, tmp_path)


async def cancel_a_write(spool: Spool, tmp_path: Path) -> None:
    writer = spool.open()
    writing = asyncio.create_task(writer.write(b"x" * 1_000_000))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    writer.discard()
    async with asyncio.timeout(5):
        while files(tmp_path):  # noqa: ASYNC110 - a thread removes it
            await asyncio.sleep(0.01)


ROOT = Path(__file__).parents[5]

# In a process that may write no file of more than 1,000 bytes, as if the disk were full by then.
FULL_DISK = """
import asyncio, pathlib, resource, sys
from libs.errors import DocuQueryError
from services.ingest.spool import parsed_file
from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.errors import ParseError
from services.ingest.spool.spool import Spool

async def main():
    with Spool(pathlib.Path(sys.argv[1]), max_document_bytes=10_000_000) as spool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for size in (2_000, 2_000_000):  # written at once; written by a thread
            writer = spool.open()
            try:
                await writer.write(b"x" * size)
            except DocuQueryError as error:
                print(error.reason_name, error.retryable)
            writer.discard()
        try:
            parsed_file.save(spool.open()._path, ParsedDocument(DocumentType.TEXT, "x" * 2_000), [])
        except ParseError as error:
            print(error.reason)
        writer = spool.open()
        await writer.write(b"small enough")
        print(writer.finish().size_bytes)

asyncio.run(main())
"""


def run_program(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "libs/gen")])
    command = [sys.executable, "-c", program, *arguments]
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_a_full_disk_is_overload(tmp_path: Path) -> None:
    """No room is a passing trouble of ours, whoever writes; smaller uploads still find some."""
    done = run_program(FULL_DISK, str(tmp_path))
    said = [line for line in done.stdout.splitlines() if "spool_disk_full" not in line]
    assert said == ["OVERLOADED True", "OVERLOADED True", "OVERLOADED", "12"], done.stderr


async def test_uploads_take_a_bounded_part_of_the_disk(tmp_path: Path) -> None:
    """One tenant gets half of it; what is discarded makes room again."""
    with Spool(tmp_path, max_document_bytes=100, max_bytes=200) as spool:
        first = spool.open("a")
        await first.write(b"x" * 60)
        second = spool.open("a")
        with pytest.raises(DocuQueryError) as caught:
            await second.write(b"x" * 41)
        assert caught.value.reason_name == "OVERLOADED"
        second.discard()
        third = spool.open("b")
        await third.write(b"x" * 100)
        third.finish().discard()
        first.discard()
        first.discard()
        writers = [spool.open(tenant) for tenant in "abc"]
        await writers[0].write(b"x" * 100)
        await writers[1].write(b"x" * 100)
        with pytest.raises(DocuQueryError):
            await writers[2].write(b"x")
        for writer in writers:
            writer.discard()


def test_the_folder_is_private_and_goes_with_the_process(tmp_path: Path) -> None:
    """Nobody else may read uploads; leaving removes them."""
    base = tmp_path / "spool"
    with Spool(base, max_document_bytes=10) as spool:
        run = next(base.glob("ingest-*"))
        assert run.stat().st_mode & 0o077 == 0
        (run / "left").write_bytes(b"x")
        assert spool.max_document_bytes == 10
    assert list(base.glob("ingest-*")) == []


def test_leftovers_of_a_killed_process_are_swept_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    """The lock tells them apart; files that are not ours stay."""
    base = tmp_path / "spool"
    program = (
        "import os, sys, pathlib\n"
        "from services.ingest.spool.spool import Spool\n"
        "spool = Spool(pathlib.Path(sys.argv[1]), max_document_bytes=9)\n"
        "spool.__enter__()\n"
        "spool.open()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    died = run_program(program, str(base))
    assert died.returncode == -9
    (base / "mine.txt").write_text("not an upload")
    left = set(base.glob("ingest-*"))
    assert len(left) == 1
    with Spool(base, max_document_bytes=9):
        assert not left & set(base.glob("ingest-*"))
        living = set(base.glob("ingest-*"))
        with Spool(base, max_document_bytes=9):
            assert living <= set(base.glob("ingest-*"))
    assert (base / "mine.txt").exists()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A link planted in the temporary folder does not lead us astray."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError), Spool(tmp_path / "link", max_document_bytes=9):
        pass


def test_the_default_folder_is_in_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One folder a user, found again by the next process."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Spool(None, max_document_bytes=9):
        assert [path.name for path in tmp_path.iterdir()] == [f"docuquery-ingest-{os.getuid()}"]


def test_an_announced_size_can_be_too_large() -> None:
    """The limit itself is allowed."""
    require_size(10, 10)
    with pytest.raises(DocuQueryError):
        require_size(11, 10)
