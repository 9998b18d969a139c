"""A backup restores to the same store; a refused one leaves everything as it was."""

from __future__ import annotations

import asyncio
import io
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.errors import DocuQueryError
from services.retrieval.admin import archive
from services.retrieval.admin.backup import backup, restore
from services.retrieval.admin.console import AdminError
from services.retrieval.store.edge.manifest import exclusive, open_manifest, read_manifest
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.spaces import VectorSpace
from tests.unit.services.retrieval.admin.support import SPACE, TENANT, everything, fill, put

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TENANTS = (TENANT, "Zeta / ü")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store and its backup; tests leave both as they are."""
    folder = tmp_path_factory.mktemp("saved") / "data"
    asyncio.run(fill(folder, tenants=TENANTS))
    file = folder.with_name("store.tar.gz")
    backup(folder, file, NOW)
    return folder, file


async def add(folder: Path, number: int) -> int:
    """Stores one more document; how many there are then."""
    async with open_edge(folder, SPACE) as stores:
        await put(stores, number)
        return (await stores.records.totals(TENANT, NOW)).indexed_documents


def test_a_restored_store_holds_everything_and_takes_more(saved: tuple[Path, Path], tmp_path: Path) -> None:
    folder, file = saved
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    restore(tmp_path / "new", file, replace_present=False)
    expected = asyncio.run(everything(folder, TENANTS))
    assert len(expected) == 2 * (3 + 3 + 12)
    assert asyncio.run(everything(tmp_path / "new", TENANTS)) == expected
    old, new = read_manifest(folder), read_manifest(tmp_path / "new")
    assert old is not None
    assert new is not None
    assert (new.space, new.page_token_key) == (old.space, old.page_token_key)
    assert asyncio.run(add(tmp_path / "new", 4)) == 4


def test_a_store_is_replaced_only_when_told(saved: tuple[Path, Path], tmp_path: Path) -> None:
    folder, file = tmp_path / "data", saved[1]
    asyncio.run(fill(folder, documents=0))
    asyncio.run(add(folder, 7))
    open_manifest(folder, replace(SPACE, dimensions=9), may_begin=True)  # a reindex was under way
    with pytest.raises(AdminError, match="--replace"):
        restore(folder, file, replace_present=False)
    assert next(iter(asyncio.run(everything(folder)))) == f"record/{TENANT}/7"
    restore(folder, file, replace_present=True)
    assert asyncio.run(everything(folder, TENANTS)) == asyncio.run(everything(saved[0], TENANTS))
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1  # the old one is gone
    assert found_spaces(folder) == [SPACE]


def test_a_backup_never_overwrites_a_file(saved: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(AdminError, match="exists"):
        backup(saved[0], tmp_path / "precious", NOW)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    asyncio.run(fill(folder, documents=0))
    (folder / "tenants" / "stray").symlink_to(tmp_path)
    with pytest.raises(AdminError, match="stray"):
        backup(folder, tmp_path / "b.tar.gz", NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_store_in_use_is_neither_backed_up_nor_replaced(saved: tuple[Path, Path], tmp_path: Path) -> None:
    folder, file = saved
    with exclusive(folder):
        with pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
            backup(folder, tmp_path / "other.tar.gz", NOW)
        with pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
            restore(folder, file, replace_present=True)


def test_a_folder_without_a_store_is_not_backed_up(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(AdminError, match="DATA_DIR"):
            backup(folder, tmp_path / "b.tar.gz", NOW)
    assert not (tmp_path / "missing").exists()


def empty_backup(file: Path, store: dict[str, Any], chunks: int = 0) -> None:
    """A backup of no tenant that says what it is told to."""
    contents = archive.Contents(archive.FORMAT, NOW.isoformat(), store, archive.Counts(0, 0, chunks), (), ())
    out = io.BytesIO()
    archive.write(out, file.parent, contents, lambda _count: None)
    file.write_bytes(out.getvalue())


STORE = {
    "schema_version": 2,
    "embedder": "test/first",
    "dimensions": 8,
    "sparse": SPACE.sparse,
    "page_token_key": "ab" * 32,
    "folder": "tenants",
}


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda file: empty_backup(file, STORE | {"folder": "../escaped"}), "newer program"),
        (lambda file: empty_backup(file, STORE | {"schema_version": 99}), "layout 99"),
        (lambda file: empty_backup(file, STORE | {"unheard_of": 1}), "newer program"),
        (lambda file: empty_backup(file, STORE | {"page_token_key": 5}), "newer program"),
        (lambda file: empty_backup(file, STORE, chunks=12), "12 chunks"),
        (lambda file: file.write_bytes(file.read_bytes()[:-20]), "damaged"),
        (lambda file: file.write_bytes(b"hello"), "damaged"),
    ],
)
def test_a_refused_backup_changes_nothing(
    tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    folder, file = tmp_path / "data", tmp_path / "store.tar.gz"
    asyncio.run(fill(folder, documents=0))
    empty_backup(file, STORE)
    damage(file)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(AdminError, match=sentence):
        restore(folder, file, replace_present=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"data", "store.tar.gz"}


def test_a_backup_of_nothing_is_restored(tmp_path: Path) -> None:
    """So that the refusals above are for the damage."""
    empty_backup(tmp_path / "file", STORE)
    restore(tmp_path / "new", tmp_path / "file", replace_present=False)
    found = read_manifest(tmp_path / "new")
    assert found is not None
    assert replace(found, folder="tenants").to_fields() == STORE


def found_spaces(folder: Path) -> list[VectorSpace]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return [kept.space for kept in manifest.spaces.all]
