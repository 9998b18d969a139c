"""What a store folder says of itself, and who may open it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.spaces import (
    FIRST_PLACE,
    SPACE_FIELDS,
    KeptSpaces,
    VectorSpace,
    require_space,
    spaces_from_fields,
    spaces_to_fields,
)

SCHEMA_VERSION = 3
"""Raised when the layout of folders or payloads changes in a way an older program cannot read."""

FIRST_VERSION = 2
"""What a store is that never had another vector space, so that older programs can still read it."""

FIRST_FOLDER = "tenants"
"""The name the folder of tenants has in a new store."""

_FIELDS = {"schema_version", "page_token_key", "folder", *SPACE_FIELDS}
_FOLDER_NAME = re.compile(r"tenants(-[0-9a-f]{8})?")
_FILE = "store.json"
# Of the program before there were several spaces in one store: a store that was being filled.
_FORMER_NEXT_FILE = "store.next.json"
_LOCK_FILE = "lock"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of `store.json`."""

    spaces: KeptSpaces
    page_token_key: str
    """Hex of 32 random bytes."""
    folder: str = FIRST_FOLDER
    """The folder beside this file that holds the tenants. A store is exchanged by writing another name."""

    @property
    def space(self) -> VectorSpace:
        """What the vectors that are searched mean."""
        return self.spaces.current.space

    def __post_init__(self) -> None:
        bytes.fromhex(self.page_token_key)
        if not _FOLDER_NAME.fullmatch(self.folder):
            raise ValueError(f"not a folder of tenants: {self.folder}")

    def to_fields(self) -> dict[str, Any]:
        """As JSON values."""
        spaces = spaces_to_fields(self.spaces)
        version = FIRST_VERSION if "chunks" not in spaces else SCHEMA_VERSION
        return {
            "schema_version": version,
            **spaces,
            "page_token_key": self.page_token_key,
            "folder": self.folder,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Manifest:
        """What `to_fields` made. Raises KeyError, TypeError or ValueError for anything else."""
        if fields.keys() - _FIELDS:
            raise ValueError(f"not known: {fields.keys() - _FIELDS}")
        return cls(spaces_from_fields(fields), fields["page_token_key"], fields.get("folder", FIRST_FOLDER))


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
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_text("utf-8"))
    except ValueError:
        fields = {}
    return read_fields(fields, str(path))


def read_fields(fields: Mapping[str, Any], place: str) -> Manifest:
    """The manifest of these JSON values. Raises STORE_MISMATCH when it is of a newer program, or damaged.

    `place`: where they come from, for people.
    """
    try:
        version = fields["schema_version"]
        if version in (FIRST_VERSION, SCHEMA_VERSION):
            return Manifest.from_fields(fields)
    except (ValueError, TypeError, KeyError) as error:
        raise _mismatch(f"{place} cannot be understood; it may be of a newer program, or damaged") from error
    raise _mismatch(f"{place} has layout {version}, this program reads {SCHEMA_VERSION}")


def open_manifest(folder: Path, space: VectorSpace, *, may_begin: bool = False) -> Manifest:
    """Reads the manifest of `folder`, or writes one for an empty folder.

    Raises STORE_MISMATCH when the store was filled by a newer program, or when it is not whole in `space`;
    with `may_begin` it then notes that the store is to be filled in that space, too.
    """
    found = read_manifest(folder)
    if found is None:
        found = replace(new_manifest(space), folder=FIRST_FOLDER)
        write_manifest(folder, found)
    elif may_begin:
        begun = replace(found, spaces=found.spaces.with_begun(space))
        if begun != found:
            found = begun
            write_manifest(folder, found)
    else:
        require_space(
            found.spaces,
            space,
            f"The store in {folder}",
            "embed it anew: while serving, by REINDEX=background, or with the services stopped, by "
            "`docuquery admin reindex`",
        )
    return found


def new_manifest(space: VectorSpace, page_token_key: str | None = None) -> Manifest:
    """A manifest for a store yet to be filled, in a folder of tenants no other store has."""
    return Manifest(
        spaces=KeptSpaces.first(space),
        page_token_key=page_token_key or secrets.token_hex(32),
        folder=f"{FIRST_FOLDER}-{secrets.token_hex(4)}",
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes `manifest` what `folder` says of itself: the one write that exchanges a store for another."""
    write_whole(folder / _FILE, json.dumps(manifest.to_fields(), indent=2) + "\n")


def remove_unused(folder: Path) -> None:
    """Removes folders of tenants the store does not name, and in its own the chunks of spaces it has left.

    A kill in the middle of an exchange, or of a change to another space, leaves such. Only for the holder of
    the folder.
    """
    found = read_manifest(folder)
    if found is None:
        return
    (folder / _FORMER_NEXT_FILE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and _FOLDER_NAME.fullmatch(path.name) and path.name != found.folder:
            shutil.rmtree(path)
    kept = {space.place for space in found.spaces.all}
    for path in (folder / found.folder).glob(f"*/{FIRST_PLACE}*"):
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path)


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
