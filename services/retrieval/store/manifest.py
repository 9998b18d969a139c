"""What a store folder says of itself, and who may open it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError

SCHEMA_VERSION = 2
"""Raised when the layout of folders or payloads changes in a way an older program cannot read."""

_FILE = "store.json"
_LOCK_FILE = "lock"


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """What the vectors of a store mean. Two spaces never mix."""

    embedder: str
    dimensions: int
    sparse: str
    """Term scheme and parameters: `bm25/english/...`."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of `store.json`."""

    schema_version: int
    embedder: str
    dimensions: int
    sparse: str
    page_token_key: str
    """Hex of 32 random bytes."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process; the system gives it back when the process ends in any way.

    Raises STORE_UNAVAILABLE when another process holds it or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / _LOCK_FILE).open("w")
    except OSError as error:
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            f"The data folder {folder} cannot be used: {error.strerror}. Set DATA_DIR to a folder this "
            "process may write to.",
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DocuQueryError(
                reasons.ERROR_REASON_STORE_UNAVAILABLE,
                f"Another process holds the data folder {folder}. Stop it, or set DATA_DIR to another "
                "folder: the embedded store serves one process.",
            ) from None
        yield


def open_manifest(folder: Path, space: VectorSpace) -> Manifest:
    """Reads the manifest of `folder`, or writes one for an empty folder.

    Raises STORE_MISMATCH when the store was filled in another vector space or by a newer program.
    """
    path = folder / _FILE
    if not path.exists():
        return _create(path, space)
    try:
        found = Manifest(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise _mismatch(f"{path} cannot be understood; it may be of a newer program, or damaged") from error
    if found.schema_version != SCHEMA_VERSION:
        raise _mismatch(
            f"The store in {folder} has layout {found.schema_version}, this program reads {SCHEMA_VERSION}"
        )
    if (found.embedder, found.dimensions) != (space.embedder, space.dimensions):
        raise _mismatch(
            f"The store in {folder} was filled by the embedder {found.embedder} ({found.dimensions} "
            f"dimensions), the settings ask for {space.embedder} ({space.dimensions}). Set "
            "EMBEDDING_PROVIDER and EMBEDDING_MODEL back, or set DATA_DIR to an empty folder and ingest again"
        )
    if found.sparse != space.sparse:
        raise _mismatch(
            f"The store in {folder} was filled with the word index {found.sparse}, the settings ask for "
            f"{space.sparse}. Set BM25_LANGUAGE back, or set DATA_DIR to an empty folder and ingest again"
        )
    return found


def _create(path: Path, space: VectorSpace) -> Manifest:
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        embedder=space.embedder,
        dimensions=space.dimensions,
        sparse=space.sparse,
        page_token_key=secrets.token_hex(32),
    )
    write_whole(path, json.dumps(asdict(manifest), indent=2) + "\n")
    return manifest


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that a crash leaves the old contents or the new, never a part."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def _mismatch(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, message + ".")
