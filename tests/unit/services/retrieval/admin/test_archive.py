"""An archive comes back byte for byte, and one that is not exactly what was written is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.retrieval.admin import archive
from services.retrieval.admin.console import AdminError
from services.retrieval.admin.folder import Counts

HOLE_BYTES = 4 * 1024 * 1024


def nothing(_count: int) -> None:
    """Nobody wants to know."""


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of small files, an empty one, an empty folder, and one that is nearly all hole."""
    root = tmp_path / "tree"
    (root / "acme" / "deep").mkdir(parents=True)
    (root / "acme" / "empty").mkdir()
    (root / "acme" / "a.json").write_text('{"tenant": "acme"}')
    (root / "acme" / "deep" / "ü.dat").write_bytes(os.urandom(5000))
    (root / "acme" / "nothing").touch()
    with (root / "acme" / "sparse").open("wb") as out:
        out.write(b"begin")
        out.seek(HOLE_BYTES)
        out.write(b"end")
        out.truncate(2 * HOLE_BYTES)
    return root


@pytest.fixture
def file(root: Path, tmp_path: Path) -> Path:
    folders, members = archive.list_folder(root, nothing)
    contents = archive.Contents(
        archive.FORMAT, "2026-05-01T12:00:00+00:00", {"a": 1}, Counts(1, 2, 3), folders, members
    )
    with (tmp_path / "file.tar.gz").open("wb") as out:
        archive.write(out, root, contents, nothing)
    return tmp_path / "file.tar.gz"


def extracted(file: Path, target: Path) -> Path:
    with archive.opened(file) as reader:
        target.mkdir()
        reader.extract(target, nothing)
    return target


def test_files_folders_and_what_it_says_of_itself_come_back(root: Path, file: Path, tmp_path: Path) -> None:
    out = extracted(file, tmp_path / "out")
    assert files_of(out) == files_of(root)
    assert (out / "acme" / "empty").is_dir()
    with archive.opened(file) as reader:
        assert reader.contents.counts == Counts(1, 2, 3)
        assert reader.contents.store == {"a": 1}
        assert reader.contents.size == sum(map(len, files_of(root).values()))


def test_holes_take_no_room(file: Path, tmp_path: Path) -> None:
    out = extracted(file, tmp_path / "out") / "acme" / "sparse"
    assert out.stat().st_size == 2 * HOLE_BYTES
    assert out.stat().st_blocks * 512 < HOLE_BYTES / 8
    assert file.stat().st_size < HOLE_BYTES / 8


def test_the_same_files_make_the_same_archive(root: Path, file: Path) -> None:
    with archive.opened(file) as reader:
        contents = reader.contents
    again = io.BytesIO()
    archive.write(again, root, contents, nothing)
    assert again.getvalue() == file.read_bytes()


def test_what_is_neither_file_nor_folder_is_refused(root: Path) -> None:
    (root / "stray").symlink_to("/etc")
    with pytest.raises(AdminError, match="stray"):
        archive.list_folder(root, nothing)


Entries = list[tuple[tarfile.TarInfo, bytes]]


def rewritten(file: Path, change: Callable[[Entries, dict[str, Any]], None]) -> Path:
    """A copy of the backup after `change` to its members and its list."""
    entries: Entries = []
    with tarfile.open(file) as tar:
        for entry in tar:
            source = tar.extractfile(entry)
            assert source is not None
            entries.append((entry, source.read()))
    listed = json.loads(entries[0][1])
    rest = entries[1:]
    change(rest, listed)
    text = json.dumps(listed).encode()
    out = file.with_name("changed.tar.gz")
    with tarfile.open(out, "w:gz", compresslevel=1) as tar:
        first = tarfile.TarInfo("backup.json")
        first.size = len(text)
        tar.addfile(first, io.BytesIO(text))
        for entry, data in rest:
            entry.size = len(data) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(data))
    return out


def flip(entries: Entries, listed: dict[str, Any]) -> None:
    at = next(i for i, (entry, data) in enumerate(entries) if len(data) > 1000)
    entry, data = entries[at]
    entries[at] = (entry, data[:500] + bytes([data[500] ^ 1]) + data[501:])


def shorten(entries: Entries, listed: dict[str, Any]) -> None:
    entry, data = entries[0]
    entries[0] = (entry, data[:-1])


def leave_out(entries: Entries, listed: dict[str, Any]) -> None:
    del entries[1]


def add(entries: Entries, listed: dict[str, Any]) -> None:
    entries.append((tarfile.TarInfo("more"), b"more"))


def link(entries: Entries, listed: dict[str, Any]) -> None:
    entry = tarfile.TarInfo(listed["members"][0]["path"])
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    entries[0] = (entry, b"")
    listed["members"][0]["size"] = 0


def rename(path: str) -> Callable[[Entries, dict[str, Any]], None]:
    def change(entries: Entries, listed: dict[str, Any]) -> None:
        entries[0][0].name = path
        listed["members"][0]["path"] = path

    return change


def folders(path: str) -> Callable[[Entries, dict[str, Any]], None]:
    return lambda _entries, listed: listed["folders"].append(path)


def newer(entries: Entries, listed: dict[str, Any]) -> None:
    listed["format"] = 99


def unreadable(entries: Entries, listed: dict[str, Any]) -> None:
    del listed["members"][0]["size"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (flip, "is not what was stored"),
        (shorten, "is not where the list says"),
        (leave_out, "is not where the list says"),
        (add, "more than its list says"),
        (link, "is not where the list says"),
        (rename("../escaped"), "would write to"),
        (rename("/tmp/docuquery-escaped"), "would write to"),
        (rename("a/../../escaped"), "would write to"),
        (rename("..\\escaped"), "would write to"),
        (rename(""), "would write to"),
        (folders("../escaped"), "would write to"),
        (folders("/tmp/docuquery-escaped"), "would write to"),
        (newer, "format 99"),
        (unreadable, "cannot be understood"),
    ],
)
def test_a_changed_archive_is_refused_and_nothing_is_written_elsewhere(
    file: Path, tmp_path: Path, change: Callable[[Entries, dict[str, Any]], None], sentence: str
) -> None:
    changed = rewritten(file, change)
    with pytest.raises(AdminError, match=sentence):
        extracted(changed, tmp_path / "out")
    assert not list(tmp_path.glob("*escaped*"))
    assert not Path("/tmp/docuquery-escaped").exists()


def test_an_unchanged_rewriting_is_accepted(root: Path, file: Path, tmp_path: Path) -> None:
    """So that the refusals above are for the change."""
    changed = rewritten(file, lambda _entries, _listed: None)
    assert files_of(extracted(changed, tmp_path / "out")) == files_of(root)


def test_every_truncation_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    step = max(1, len(whole) // 50)
    # A set: the last bytes may be a step as well.
    for length in {*range(0, len(whole), step), len(whole) - 4, len(whole) - 1}:
        file.write_bytes(whole[:length])
        with pytest.raises(AdminError):
            extracted(file, tmp_path / f"out-{length}")


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", gzip.compress(b"hello"), gzip.compress(bytes(10240))],
    ids=["empty", "text", "packed text", "packed zeros"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(AdminError):
        extracted(tmp_path / "file", tmp_path / "out")


def test_another_tar_is_refused(root: Path, tmp_path: Path) -> None:
    other = shutil.make_archive(str(tmp_path / "other"), "gztar", root)
    with pytest.raises(AdminError, match="not a backup"):
        extracted(Path(other), tmp_path / "out")
