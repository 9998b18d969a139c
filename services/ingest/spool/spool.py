"""Where the bytes of an upload wait: in files of a private folder, never all in memory."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest.spool.budget import SpoolBudget, SpoolShare, no_room
from services.ingest.spool.parsed_file import FULL_DISK_ERRORS, path_beside

log = structlog.get_logger()

DEFAULT_MAX_BYTES = 4 * 1024**3
"""Room for thirty of the largest documents from each of two tenants; usual ones take a thousandth of it."""

_RUN_PREFIX = "ingest-"
_LOCK_NAME = "lock"

_SMALL_BYTES = 64 * 1024
"""Hashing and writing this much takes some 0.1 ms."""


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A complete upload on disk."""

    path: Path
    size_bytes: int
    sha256: str
    """Lower-case hex."""
    share: SpoolShare = field(repr=False, compare=False)
    """The room it takes, given back by `discard`."""

    def head(self, size_bytes: int) -> bytes:
        """The file's first bytes, at most `size_bytes`."""
        with self.path.open("rb") as file:
            return file.read(size_bytes)

    def discard(self) -> None:
        """Removes the file and what was read from it."""
        self.path.unlink(missing_ok=True)
        path_beside(self.path).unlink(missing_ok=True)
        self.share.release()


class Spool:
    """A folder of this process's own under `directory`, locked while it is used.

    All uploads in it take at most `max_bytes`, those of a tenant half of it (see `SpoolBudget`); the text
    read from them is not counted.

    Folders that earlier processes left behind are removed when it is entered; one that a living process
    holds is left alone. Raises OSError when the folder cannot be made or is somebody else's.
    """

    def __init__(
        self, directory: Path | None, *, max_document_bytes: int, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        # One folder a user, so that the leftovers of a killed process are found by the next one.
        self._base = directory or Path(tempfile.gettempdir()) / f"docuquery-ingest-{os.getuid()}"
        self._max_document_bytes = max_document_bytes
        self._budget = SpoolBudget(max_bytes)
        self._names = (f"{number:08d}" for number in itertools.count(1))
        self._run: Path | None = None
        self._lock: int | None = None

    def __enter__(self) -> Spool:
        self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._base.is_symlink() or self._base.stat().st_uid != os.getuid():
            raise PermissionError(f"the spool folder {self._base} belongs to somebody else")
        # One process at a time sweeps and makes its folder, so that nobody sweeps one half made.
        with _locked(self._base / _LOCK_NAME):
            self._sweep()
            self._run = Path(tempfile.mkdtemp(prefix=_RUN_PREFIX, dir=self._base))
            self._lock = _open_lock(self._run / _LOCK_NAME)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._run is not None
        assert self._lock is not None
        shutil.rmtree(self._run, ignore_errors=True)
        os.close(self._lock)

    def _sweep(self) -> None:
        for folder in self._base.glob(_RUN_PREFIX + "*"):
            with contextlib.suppress(BlockingIOError), _locked(folder / _LOCK_NAME, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
                log.info("spool_swept", folder=folder.name)

    @property
    def max_document_bytes(self) -> int:
        """The largest document that is taken."""
        return self._max_document_bytes

    @property
    def used_bytes(self) -> int:
        """Bytes of uploads on disk now."""
        return self._budget.total_bytes

    @property
    def max_bytes(self) -> int:
        """How many there may be."""
        return self._budget.max_bytes

    def open(self, tenant: str = "") -> SpoolWriter:
        """A new, empty file for `tenant`. Raises OVERLOADED when the disk is full."""
        assert self._run is not None, "the spool is used outside of its `with`"
        with full_disk_is_overload():
            return SpoolWriter(
                self._run / next(self._names), self._max_document_bytes, self._budget.open(tenant)
            )


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock file at `path`. Without `wait`, raises BlockingIOError when another process has it."""
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


class SpoolWriter:
    """One upload being written. End it with `finish` or `discard`."""

    def __init__(self, path: Path, max_bytes: int, share: SpoolShare) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._share = share
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._size = 0
        self._writing: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Adds bytes. Raises DocuQueryError: DOCUMENT_TOO_LARGE, or OVERLOADED when there is no room."""
        self._size += len(data)
        require_size(self._size, self._max_bytes)
        self._share.grow(len(data))
        if len(data) <= _SMALL_BYTES:
            # Faster than handing it to a thread, and too short to be noticed by other streams.
            self._write(data)
            return
        # Hashing and writing release the interpreter lock; a slow disk delays this upload only.
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, data)
        await asyncio.shield(self._writing)

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        view = memoryview(data)
        with full_disk_is_overload():
            while view:
                view = view[self._file.write(view) :]

    def finish(self, expected_sha256: str = "") -> SpooledFile:
        """Closes the file. `expected_sha256`: hex, as the caller computed it; empty when it did not.

        Raises DocuQueryError: EMPTY_DOCUMENT, CHECKSUM_MISMATCH. The file is gone then.
        """
        self._file.close()
        digest = self._hash.hexdigest()
        try:
            if self._size == 0:
                raise DocuQueryError(
                    reasons.ERROR_REASON_EMPTY_DOCUMENT,
                    "The document has no bytes. Check the file and upload it again.",
                )
            if expected_sha256 and expected_sha256.lower() != digest:
                raise DocuQueryError(
                    reasons.ERROR_REASON_CHECKSUM_MISMATCH,
                    "The bytes that arrived do not match the SHA-256 that was sent. Upload the file again.",
                )
        except DocuQueryError:
            self.discard()
            raise
        return SpooledFile(self._path, self._size, digest, self._share)

    def discard(self) -> None:
        """Closes and removes the file. Does no harm when called twice."""
        if self._writing is not None and not self._writing.done():
            # The caller was cancelled while a thread is writing: the file is closed under nobody's feet.
            self._writing.add_done_callback(lambda _: self._remove())
        else:
            self._remove()

    def _remove(self) -> None:
        if self._writing is not None and not self._writing.cancelled():
            self._writing.exception()  # seen: whoever waited for it has gone
        self._file.close()
        self._path.unlink(missing_ok=True)
        self._share.release()


@contextlib.contextmanager
def full_disk_is_overload() -> Iterator[None]:
    """Raises OVERLOADED for an OSError that says that there is no room on the disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK_ERRORS:
            raise
        log.error("spool_disk_full", error=str(error))
        raise no_room() from error


def require_size(size_bytes: int, max_bytes: int) -> None:
    """Raises DocuQueryError DOCUMENT_TOO_LARGE when a document of `size_bytes` is more than is taken."""
    if size_bytes > max_bytes:
        raise DocuQueryError(
            reasons.ERROR_REASON_DOCUMENT_TOO_LARGE,
            f"The document is larger than the limit of {max_bytes} bytes. Split it and upload the parts.",
            metadata={"limit_bytes": str(max_bytes)},
        )
