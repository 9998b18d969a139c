"""The file a backup is: a gzipped tar whose first member lists every other one with its size and SHA-256.

The list is read and checked before anything is written, and a member counts only if it is the next one on the
list, of that size and that sum. So a file that was cut short, changed, or made to write elsewhere is refused.
The sums find damage; they are no signature, since whoever can write the file can write them too.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from services.retrieval.admin.console import AdminError
from services.retrieval.admin.folder import Counts

FORMAT = 1
_LIST = "backup.json"
_MAX_LIST_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_HOLE_BYTES = 64 * 1024
# Vectors hardly shrink and the engine's files are half empty: more effort is only slower.
_COMPRESSION = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the store."""

    path: str
    """Relative, with `/`."""
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says of itself."""

    format: int
    create_time: str
    """ISO 8601, UTC."""
    store: dict[str, Any]
    """The store's manifest."""
    counts: Counts
    folders: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(member.size for member in self.members)


def list_folder(root: Path, on_bytes: Callable[[int], None]) -> tuple[tuple[str, ...], tuple[Member, ...]]:
    """The folders and the files below `root`, by name. Raises AdminError for what is neither."""
    folders, members = [], []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise AdminError(f"{path} is neither a file nor a folder, so it does not belong to the store.")
        if path.is_dir():
            folders.append(name)
        else:
            members.append(Member(name, path.stat().st_size, _sum(path, on_bytes)))
    return tuple(folders), tuple(members)


def write(out: IO[bytes], root: Path, contents: Contents, on_bytes: Callable[[int], None]) -> None:
    """Writes the archive of the files of `contents`, which lie below `root`."""
    with (
        gzip.GzipFile("", fileobj=out, mode="wb", compresslevel=_COMPRESSION, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        listed = json.dumps(asdict(contents), ensure_ascii=False).encode()
        tar.addfile(_entry(_LIST, len(listed)), io.BytesIO(listed))
        for member in contents.members:
            with (root / member.path).open("rb") as source:
                tar.addfile(_entry(member.path, member.size), _Counted(source, on_bytes))


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """A backup to read, its list checked. Raises AdminError when it is none, or damaged."""
    with _damage(path), gzip.open(path, "rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        yield Reader(path, packed, tar)


class Reader:
    """An opened backup. Errors are AdminError."""

    def __init__(self, path: Path, packed: gzip.GzipFile, tar: tarfile.TarFile) -> None:
        self._path = path
        self._packed = packed
        self._tar = tar
        entry = tar.next()
        if entry is None or entry.name != _LIST or not entry.isreg() or entry.size > _MAX_LIST_BYTES:
            raise AdminError(f"{path} is not a backup of DocuQuery.")
        self.contents = _contents(path, self._read(entry).read())

    def extract(self, root: Path, on_bytes: Callable[[int], None]) -> None:
        """Writes everything below `root`, an empty folder, and checks it."""
        for folder in self.contents.folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
        for member in self.contents.members:
            entry = self._tar.next()
            if entry is None or entry.name != member.path or not entry.isreg() or entry.size != member.size:
                raise _damaged(self._path, f"{member.path} is not where the list says")
            if _write_sparse(self._read(entry), root / member.path, on_bytes) != member.sha256:
                raise _damaged(self._path, f"{member.path} is not what was stored")
        if self._tar.next() is not None:
            raise _damaged(self._path, "it holds more than its list says")
        while self._packed.read(_PIECE_BYTES):
            continue  # the checksum of the whole stands at the end

    def _read(self, entry: tarfile.TarInfo) -> IO[bytes]:
        source = self._tar.extractfile(entry)
        if source is None:
            raise _damaged(self._path, f"{entry.name} is no file")
        return source


def _contents(path: Path, listed: bytes) -> Contents:
    try:
        raw = json.loads(listed)
        if raw["format"] != FORMAT:
            raise AdminError(f"{path} has the format {raw['format']}, this program reads {FORMAT}.")
        contents = Contents(
            format=raw["format"],
            create_time=str(raw["create_time"]),
            store=dict(raw["store"]),
            counts=Counts(**raw["counts"]),
            folders=tuple(map(str, raw["folders"])),
            members=tuple(Member(**member) for member in raw["members"]),
        )
        for name in (*contents.folders, *(member.path for member in contents.members)):
            if not _is_inside(name):
                raise _damaged(path, f"it would write to {name!r}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, "its list cannot be understood") from error
    return contents


def _is_inside(name: str) -> bool:
    """Whether a name from an archive stays below the folder it is put into, on any system."""
    if not name or "\\" in name or "\0" in name or ":" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and path.as_posix() == name and not {".", ".."} & set(path.parts)


def _write_sparse(source: IO[bytes], path: Path, on_bytes: Callable[[int], None]) -> str:
    """Writes a file and returns its SHA-256. Zeros become holes, as in the engine's own files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    zeros = bytes(_HOLE_BYTES)
    with path.open("xb") as out:
        while piece := source.read(_HOLE_BYTES):
            digest.update(piece)
            if piece == zeros[: len(piece)]:
                out.seek(len(piece), io.SEEK_CUR)
            else:
                out.write(piece)
            on_bytes(len(piece))
        out.truncate()
    return digest.hexdigest()


def _sum(path: Path, on_bytes: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            on_bytes(len(piece))
    return digest.hexdigest()


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o600
    return entry


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, source: IO[bytes], on_bytes: Callable[[int], None]) -> None:
        self._source = source
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self._on_bytes(len(piece))
        return piece


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, "it ends too early or is no archive") from error


def _damaged(path: Path, why: str) -> AdminError:
    return AdminError(f"{path} is damaged: {why}. Nothing was changed. Use another backup.")
