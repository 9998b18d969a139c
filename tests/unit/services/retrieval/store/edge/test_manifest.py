"""A store folder says what it holds, and serves one process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from libs.errors import DocuQueryError
from services.retrieval.store.edge.manifest import (
    exclusive,
    new_manifest,
    open_manifest,
    read_manifest,
    remove_unused,
    write_manifest,
)
from services.retrieval.store.spaces import KeptSpace, KeptSpaces, VectorSpace

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


def test_a_store_is_exchanged_by_one_write_and_what_nobody_names_is_removed(tmp_path: Path) -> None:
    present = open_manifest(tmp_path, SPACE)
    following = new_manifest(replace(SPACE, dimensions=8), present.page_token_key)
    for name in (present.folder, following.folder, "tenants-00000000", "tenants-of-mine", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "store.next.json").write_text("of an earlier program")
    write_manifest(tmp_path, following)
    remove_unused(tmp_path)
    assert read_manifest(tmp_path) == following
    assert {path.name for path in tmp_path.iterdir()} == {
        "store.json",
        following.folder,
        "tenants-of-mine",
        "other",
    }


OTHER = replace(SPACE, embedder="openai/large", dimensions=8)


def test_another_space_is_begun_when_allowed_and_gone_on_with(tmp_path: Path) -> None:
    present = open_manifest(tmp_path, SPACE)
    begun = open_manifest(tmp_path, OTHER, may_begin=True)
    assert begun.spaces == KeptSpaces(
        present.spaces.current, (KeptSpace(OTHER, OTHER.place, is_whole=False),)
    )
    assert read_manifest(tmp_path) == begun
    assert open_manifest(tmp_path, OTHER, may_begin=True) == begun
    assert open_manifest(tmp_path, SPACE) == begun
    with pytest.raises(DocuQueryError, match="not whole yet"):
        open_manifest(tmp_path, OTHER)


def test_the_chunks_of_spaces_the_store_does_not_name_are_removed(tmp_path: Path) -> None:
    open_manifest(tmp_path, SPACE)
    begun = open_manifest(tmp_path, OTHER, may_begin=True)
    tenant = tmp_path / begun.folder / "acme-0123456789ab"
    kept = {"chunks", "documents", OTHER.place}
    for name in (*kept, "chunks-00000000", f"{OTHER.place}.partial"):
        (tenant / name).mkdir(parents=True)
    remove_unused(tmp_path)
    assert {path.name for path in tenant.iterdir()} == kept
    third = open_manifest(tmp_path, replace(OTHER, dimensions=9), may_begin=True)
    remove_unused(tmp_path)
    assert OTHER.place not in {path.name for path in tenant.iterdir()}
    write_manifest(tmp_path, replace(third, spaces=third.spaces.alone()))
    assert open_manifest(tmp_path, SPACE).spaces == KeptSpaces.first(SPACE)


def test_a_store_of_one_space_is_what_earlier_programs_read(tmp_path: Path) -> None:
    fields = open_manifest(tmp_path, SPACE).to_fields()
    assert fields.keys() == {
        "schema_version",
        "embedder",
        "dimensions",
        "sparse",
        "page_token_key",
        "folder",
    }
    assert fields["schema_version"] == 2
    begun = open_manifest(tmp_path, OTHER, may_begin=True)
    assert begun.to_fields()["schema_version"] == 3
    switched = replace(begun, spaces=begun.spaces.switched_to(OTHER, keeps_former=False))
    assert switched.to_fields()["schema_version"] == 3


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
