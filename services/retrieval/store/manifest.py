"""What a store folder says of itself, and who may open it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError

SCHEMA_VERSION = 2
"""Raised when the layout of folders or payloads changes in a way an older program cannot read."""

FIRST_FOLDER = "tenants"
"""The name the folder of tenants has in a new store."""

_FOLDER_NAME = re.compile(r"tenants(-[0-9a-f]{8})?")
_FILE = "store.json"
_NEXT_FILE = "store.next.json"
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
    folder: str = FIRST_FOLDER
    """The folder beside this file that holds the tenants. A store is exchanged by writing another name."""

    @property
    def space(self) -> VectorSpace:
        """What the vectors mean."""
        return VectorSpace(self.embedder, self.dimensions, self.sparse)

    def __post_init__(self) -> None:
        bytes.fromhex(self.page_token_key)
        if not _FOLDER_NAME.fullmatch(self.folder):
            raise ValueError(f"not a folder of tenants: {self.folder}")


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


def read_manifest(folder: Path) -> Manifest | None:
    """What `folder` says of itself, whatever the settings are; None when there is no store.

    Raises STORE_MISMATCH when it was written by a newer program, or is damaged.
    """
    return _read(folder / _FILE)


def _read(path: Path) -> Manifest | None:
    if not path.exists():
        return None
    try:
        found = Manifest(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise _mismatch(f"{path} cannot be understood; it may be of a newer program, or damaged") from error
    if found.schema_version != SCHEMA_VERSION:
        raise _mismatch(
            f"The store in {path.parent} has layout {found.schema_version}, this program reads "
            f"{SCHEMA_VERSION}"
        )
    return found


def open_manifest(folder: Path, space: VectorSpace) -> Manifest:
    """Reads the manifest of `folder`, or writes one for an empty folder.

    Raises STORE_MISMATCH when the store was filled in another vector space or by a newer program.
    """
    found = read_manifest(folder)
    if found is None:
        return _create(folder, space)
    if (found.embedder, found.dimensions) != (space.embedder, space.dimensions):
        raise _mismatch(
            f"The store in {folder} was filled by the embedder {found.embedder} ({found.dimensions} "
            f"dimensions), the settings ask for {space.embedder} ({space.dimensions}). Set "
            "EMBEDDING_PROVIDER and EMBEDDING_MODEL back, or run `docuquery admin reindex`"
        )
    if found.sparse != space.sparse:
        raise _mismatch(
            f"The store in {folder} was filled with the word index {found.sparse}, the settings ask for "
            f"{space.sparse}. Set BM25_LANGUAGE back, or run `docuquery admin reindex`"
        )
    return found


def new_manifest(space: VectorSpace, page_token_key: str | None = None) -> Manifest:
    """A manifest for a store yet to be filled, in a folder of tenants no other store has."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        embedder=space.embedder,
        dimensions=space.dimensions,
        sparse=space.sparse,
        page_token_key=page_token_key or secrets.token_hex(32),
        folder=f"{FIRST_FOLDER}-{secrets.token_hex(4)}",
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes `manifest` what `folder` says of itself: the one write that exchanges a store for another."""
    write_whole(folder / _FILE, _to_json(manifest))


def read_next(folder: Path) -> Manifest | None:
    """The store that is being filled to take the place of the one in `folder`; None when there is none."""
    return _read(folder / _NEXT_FILE)


def write_next(folder: Path, manifest: Manifest) -> None:
    """Notes that a store is being filled beside the one in `folder`, so that it can be gone on with."""
    write_whole(folder / _NEXT_FILE, _to_json(manifest))


def switch_to_next(folder: Path) -> None:
    """Puts the store that was filled in the place of the present one: one rename."""
    (folder / _NEXT_FILE).replace(folder / _FILE)
    _sync_folder(folder)


def drop_next(folder: Path) -> None:
    """Forgets the store that was being filled."""
    (folder / _NEXT_FILE).unlink(missing_ok=True)


def remove_unused(folder: Path) -> None:
    """Removes folders of tenants that neither the store nor the one being filled names.

    A kill in the middle of an exchange leaves such. Only for the holder of the folder.
    """
    kept = {found.folder for found in (read_manifest(folder), read_next(folder)) if found}
    if kept:
        for path in folder.iterdir():
            if path.is_dir() and _FOLDER_NAME.fullmatch(path.name) and path.name not in kept:
                shutil.rmtree(path)


def _create(folder: Path, space: VectorSpace) -> Manifest:
    manifest = replace(new_manifest(space), folder=FIRST_FOLDER)
    write_manifest(folder, manifest)
    return manifest


def _to_json(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), indent=2) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that a crash leaves the old contents or the new, never a part."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mismatch(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, message + ".")
