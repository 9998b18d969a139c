"""Which files a set of paths means, and what each is called in the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docuquery_client.cli.ingest_files import Selection, SelectionError, Why, select


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = ["a.md", "b.PDF", "c.bin", ".d.md", "deep/e.txt", "deep/f.html", ".git/g.md", "deep/[x].md"]
    for name in names:
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs"


def sources(selection: Selection) -> list[str]:
    return [found.source for found in selection.files]


ALL = ["docs/a.md", "docs/b.PDF", "docs/deep/[x].md", "docs/deep/e.txt", "docs/deep/f.html"]


def test_a_folder_gives_its_documents_named_from_the_folder_on(docs: Path) -> None:
    selection = select([str(docs)])
    assert sources(selection) == ALL


def test_what_is_left_out_of_a_folder_is_named_with_the_reason(docs: Path) -> None:
    """Of a folder that is not entered only the folder itself."""
    (docs / "deep" / "link").symlink_to(docs)
    (docs / "deep" / "nothing.md").symlink_to(docs / "nowhere")
    left_out = select(["docs"]).left_out
    assert {why: [path.as_posix() for path in paths] for why, paths in left_out.items()} == {
        Why.HIDDEN: ["docs/.git", "docs/.d.md"],
        Why.KIND: ["docs/c.bin"],
        Why.LINK: ["docs/deep/link"],
        Why.NO_FILE: ["docs/deep/nothing.md"],
    }
    assert select(["docs/*"]).left_out == {Why.KIND: [Path("docs/c.bin")]}


def test_a_folder_that_cannot_be_opened_is_not_passed_over_in_silence(docs: Path) -> None:
    closed = docs / "deep"
    if os.geteuid() == 0:
        pytest.skip("the superuser may open every folder")
    closed.chmod(0)
    try:
        assert select(["docs"]).left_out[Why.CLOSED] == [Path("docs/deep")]
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize("argument", ["docs", "docs/", "./docs", "../{}/docs"])
def test_a_source_does_not_depend_on_how_the_folder_is_written(docs: Path, argument: str) -> None:
    assert sources(select([argument.format(docs.parent.name)])) == ALL


def test_the_current_folder_has_the_name_it_has_from_outside(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(docs)
    assert sources(select(["."])) == ALL
    monkeypatch.chdir(docs / "deep")
    assert sources(select([".."])) == ALL


def test_named_files_are_taken_whatever_they_are(docs: Path) -> None:
    assert sources(select([str(docs / "c.bin"), str(docs / ".d.md")])) == ["c.bin", ".d.md"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(docs: Path) -> None:
    assert sources(select([str(docs / "deep" / "[x].md")])) == ["[x].md"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("docs/*.md", ["docs/a.md"]),
        ("docs/**/*.txt", ["docs/deep/e.txt"]),
        ("docs/*", ["docs/a.md", "docs/b.PDF"]),
        ("docs/deep/?.txt", ["deep/e.txt"]),
    ],
)
def test_patterns_name_sources_from_their_fixed_part_on(
    docs: Path, pattern: str, expected: list[str]
) -> None:
    assert sources(select([pattern])) == expected
    assert sources(select([str(docs.parent / pattern)])) == expected


def test_a_file_met_twice_is_taken_once(docs: Path) -> None:
    assert sources(select(["docs", "docs/a.md", str(docs / "deep")])) == ALL


def test_a_prefix_stands_before_every_source(docs: Path) -> None:
    assert sources(select(["docs/a.md"], "s3://bucket/")) == ["s3://bucket/a.md"]


def test_two_files_of_one_source_are_refused(docs: Path) -> None:
    other = docs.parent / "other" / "a.md"
    other.parent.mkdir()
    other.write_text("x")
    with pytest.raises(SelectionError, match=r"docs/a\.md and other/a\.md would both be stored as 'a\.md'"):
        select(["docs/a.md", "other/a.md"])


@pytest.mark.parametrize("argument", ["", " "])
def test_an_empty_path_is_not_the_current_folder(docs: Path, argument: str) -> None:
    with pytest.raises(SelectionError, match="A path is empty"):
        select([argument])


@pytest.mark.parametrize("argument", ["nowhere", "docs/nothing.md", "docs/*.xyz"])
def test_what_does_not_exist_is_refused(docs: Path, argument: str) -> None:
    with pytest.raises(SelectionError):
        select([argument])


@pytest.mark.parametrize("name", ["a.docx", "b.PPTX", "c.xlsx", "d.csv", "e.tsv", "f.epub"])
def test_office_files_tables_and_books_are_taken_from_folders(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    assert sources(select([str(tmp_path)])) == [f"{tmp_path.name}/{name}"]
