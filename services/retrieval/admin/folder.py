"""The data folder as the commands find it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.retrieval.admin.console import AdminError
from services.retrieval.store.edge.manifest import Manifest, exclusive, read_manifest


@contextmanager
def held_store(folder: Path) -> Iterator[Manifest]:
    """Holds the data folder and says what store is in it.

    Raises STORE_UNAVAILABLE when a service holds it, AdminError when there is no store.
    """
    if not folder.is_dir():
        raise AdminError(f"There is no data folder {folder}. Set DATA_DIR to the one the service uses.")
    with exclusive(folder):
        manifest = read_manifest(folder)
        if manifest is None:
            raise AdminError(f"There is no store in {folder}. Set DATA_DIR to the folder the service uses.")
        yield manifest


def stored_bytes(folder: Path) -> int:
    """Bytes the files of `folder` take on the disk. The engine's files have holes: their length says more."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds."""

    tenants: int
    documents: int
    """With a live version."""
    chunks: int
    """Of live versions."""
