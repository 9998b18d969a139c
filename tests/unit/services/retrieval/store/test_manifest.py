"""A store folder says what it holds, and serves one process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from libs.errors import DocuQueryError
from services.retrieval.store.manifest import (
    VectorSpace,
    exclusive,
    new_manifest,
    open_manifest,
    read_manifest,
    read_next,
    remove_unused,
    switch_to_next,
    write_next,
)

SPACE = VectorSpace("local/model", 256, "bm25/english")


def test_an_empty_folder_takes_the_space_and_keeps_its_secret(tmp_path: Path) -> None:
    first = open_manifest(tmp_path, SPACE)
    assert open_manifest(tmp_path, SPACE) == first
    assert len(bytes.fromhex(first.page_token_key)) == 32
    (tmp_path / "other").mkdir()
    assert open_manifest(tmp_path / "other", SPACE).page_token_key != first.page_token_key


@pytest.mark.parametrize(
    ("space", "hint"),
    [
        (replace(SPACE, embedder="openai/large"), "EMBEDDING_PROVIDER"),
        (replace(SPACE, dimensions=128), "EMBEDDING_MODEL"),
        (replace(SPACE, sparse="bm25/german"), "BM25_LANGUAGE"),
    ],
)
def test_another_space_is_refused_with_what_to_set(tmp_path: Path, space: VectorSpace, hint: str) -> None:
    open_manifest(tmp_path, SPACE)
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH") as caught:
        open_manifest(tmp_path, space)
    assert hint in caught.value.message


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json"])
def test_a_manifest_that_cannot_be_understood_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH"):
        open_manifest(tmp_path, SPACE)


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    open_manifest(tmp_path, SPACE)
    path = tmp_path / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(DocuQueryError, match="layout 99"):
        open_manifest(tmp_path, SPACE)


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with exclusive(folder), pytest.raises(DocuQueryError, match="Another process holds"), exclusive(folder):
        pytest.fail("held twice")
    with exclusive(folder):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DocuQueryError, match="DATA_DIR"), exclusive(tmp_path / "file" / "below"):
        pytest.fail("made a folder below a file")


def test_a_store_is_exchanged_by_one_rename_and_what_nobody_names_is_removed(tmp_path: Path) -> None:
    present = open_manifest(tmp_path, SPACE)
    following = new_manifest(replace(SPACE, dimensions=8), present.page_token_key)
    write_next(tmp_path, following)
    for name in (present.folder, following.folder, "tenants-00000000", "tenants-of-mine", "other"):
        (tmp_path / name).mkdir()
    remove_unused(tmp_path)
    assert read_manifest(tmp_path) == present
    assert (tmp_path / present.folder).exists()
    switch_to_next(tmp_path)
    remove_unused(tmp_path)
    assert read_manifest(tmp_path) == following
    assert read_next(tmp_path) is None
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        following.folder,
        "tenants-of-mine",
        "other",
    }


def test_a_folder_that_holds_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    remove_unused(tmp_path)
    assert (tmp_path / "tenants").exists()
    assert read_manifest(tmp_path) is None


def test_a_manifest_of_before_there_were_exchanges_is_read(tmp_path: Path) -> None:
    written = open_manifest(tmp_path, SPACE)
    path = tmp_path / "store.json"
    values = json.loads(path.read_text())
    assert values.pop("folder") == "tenants"
    path.write_text(json.dumps(values))
    assert open_manifest(tmp_path, SPACE) == written


@pytest.mark.parametrize("folder", ["..", "../tenants", "/tmp", "tenants-", "tenants-XYZ", ""])
def test_a_manifest_never_names_a_folder_elsewhere(tmp_path: Path, folder: str) -> None:
    open_manifest(tmp_path, SPACE)
    path = tmp_path / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"folder": folder}))
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH"):
        read_manifest(tmp_path)
