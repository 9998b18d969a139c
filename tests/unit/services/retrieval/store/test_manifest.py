"""A store folder says what it holds, and serves one process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from libs.errors import DocuQueryError
from services.retrieval.store.manifest import VectorSpace, exclusive, open_manifest

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
