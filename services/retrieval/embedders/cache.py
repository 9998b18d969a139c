"""Vectors of texts seen before, in a file: what a remote model has embedded once is not paid for again.

An SQLite database that holds, for each text, a hash, the vector in half precision, and when it was last
used; no text. Half precision has the file half as large, and moves a cosine by less than 0.0001, less than
models differ between two servers. It is a cache: whatever goes wrong with it is a miss.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from libs.clock import Clock

log = structlog.get_logger()

FILE = "embedding-cache.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (name TEXT PRIMARY KEY, dimensions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, hour INTEGER NOT NULL, vector BLOB NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS vectors_by_hour ON vectors (hour);
"""
_KEY_BYTES = 20
"""Two of a trillion texts have the same key with a probability of 1 to 10^24."""
_LOOKUP_KEYS = 500
"""Parameters of one statement; SQLite's own limit is at least 999."""
_EVICTED_SHARE = 10
"""A tenth goes at a time."""
_SECONDS_AN_HOUR = 3600
_LOCK_WAIT_SECONDS = 5.0


def text_key(model: str, text: str) -> bytes:
    """The hash of a text as embedded by `model`."""
    return hashlib.blake2b(f"{model}\0{text}".encode(errors="surrogatepass"), digest_size=_KEY_BYTES).digest()


class VectorCache:
    """A cache file. Calls block; use it from one thread at a time. Raises nothing: a fault is a miss.

    Kept consistent by SQLite's write-ahead log if the process dies at any point. `max_bytes` bounds the
    file, apart from a log of a few megabytes; when it is reached, the tenth that was not used for longest
    (to the hour) goes.
    """

    def __init__(self, path: Path, max_bytes: int, clock: Clock) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        with self._faults_are_misses():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = self._open()
            except sqlite3.DatabaseError:
                self._remove()
                self._database = self._open()

    def close(self) -> None:
        """Closes the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def dimensions(self, model: str) -> int | None:
        """What `remember_dimensions` was told of this model, if anything."""
        with self._faults_are_misses():
            if self._database is not None:
                row = self._database.execute(
                    "SELECT dimensions FROM models WHERE name = ?", (model,)
                ).fetchone()
                return int(row[0]) if row else None
        return None

    def remember_dimensions(self, model: str, dimensions: int) -> None:
        """Notes the length of a model's vectors."""
        with self._faults_are_misses():
            if self._database is not None:
                with self._database:
                    self._database.execute("INSERT OR REPLACE INTO models VALUES (?, ?)", (model, dimensions))

    def get(self, keys: Sequence[bytes], dimensions: int) -> dict[bytes, NDArray[np.float32]]:
        """The vectors of those keys that are there, of length 1, and that have these dimensions."""
        found: dict[bytes, NDArray[np.float32]] = {}
        with self._faults_are_misses():
            for start in range(0, len(keys), _LOOKUP_KEYS):
                found |= self._get(keys[start : start + _LOOKUP_KEYS], dimensions)
        return found

    def put(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keeps vectors, of length 1."""
        hour = self._hour()
        rows = [(key, hour, vector.astype("<f2").tobytes()) for key, vector in vectors.items()]
        with self._faults_are_misses():
            if self._database is not None:
                with self._database:
                    self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
                    self._evict()

    def _get(self, keys: Sequence[bytes], dimensions: int) -> dict[bytes, NDArray[np.float32]]:
        if self._database is None:
            return {}
        marks = ",".join("?" * len(keys))
        # The marks are question marks: nothing of a caller's is in the statement.
        query = f"SELECT key, hour, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608
        rows = self._database.execute(query, keys).fetchall()
        hour = self._hour()
        if old := [(hour, key) for key, last, _ in rows if last < hour]:
            with self._database:
                self._database.executemany("UPDATE vectors SET hour = ? WHERE key = ?", old)
        found = {}
        for key, _, raw in rows:
            vector = np.frombuffer(raw, dtype="<f2").astype(np.float32)
            length = float(np.linalg.norm(vector))
            if len(vector) == dimensions and 0.0 < length < np.inf:
                found[key] = vector / np.float32(length)
        return found

    def _evict(self) -> None:
        assert self._database is not None
        if self._used_bytes() <= self._max_bytes:
            return
        (count,) = self._database.execute("SELECT count(*) FROM vectors").fetchone()
        self._database.execute(
            "DELETE FROM vectors WHERE key IN (SELECT key FROM vectors ORDER BY hour LIMIT ?)",
            (-(-count // _EVICTED_SHARE),),
        )

    def _used_bytes(self) -> int:
        """Of the file, without pages that are free for reuse."""
        assert self._database is not None
        size, count, free = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (count - free))

    def _open(self) -> sqlite3.Connection:
        # Another thread than the one that opens it uses it; never two at a time.
        database = sqlite3.connect(self._path, timeout=_LOCK_WAIT_SECONDS, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")  # a power failure may cost the last vectors
            database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)

    def _hour(self) -> int:
        return int(self._clock.now().timestamp()) // _SECONDS_AN_HOUR

    @contextmanager
    def _faults_are_misses(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            log.warning("embedding_cache_failed", path=str(self._path), error=type(error).__name__)
