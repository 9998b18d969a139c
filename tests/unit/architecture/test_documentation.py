"""What the documents refer to is there: files, tests, other documents and their sections."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.unit.architecture.edges import CALLS, calls_between_services

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FOLDERS = "benchmarks|docs|examples|k8s|libs|protos|samples|services|tests|tools"
_NAMED = re.compile(
    rf"(?<![\w/.])((?:{_FOLDERS})/[\w./-]*\w\.(?:py|md|j2|toml|jsonl|proto|yaml|binpb))(?:::(\w+))?"
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def without_blocks(page: Path) -> str:
    """The text of a page but for what stands in fences."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.S | re.M)


@cache
def anchors(page: Path) -> set[str]:
    """The sections of a page as links name them."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(page), re.M)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def named(page: Path) -> list[tuple[str, str]]:
    """The files a page names, each with the test in it, if one is named."""
    return _NAMED.findall(without_blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_test_it_names_is_there(page: Path) -> None:
    missing = [
        f"{file}::{test}"
        for file, test in named(page)
        if not (ROOT / file).is_file() or (test and f"def {test}(" not in (ROOT / file).read_text())
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(without_blocks(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_security_names_evidence_in_every_row() -> None:
    page = ROOT / "docs" / "security.md"
    tables = re.findall(r"^\|[^\n]*shown by \|\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.M)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 25
    assert sum("**LLM" in row for row in rows) == 10
    assert [row for row in rows if not _NAMED.search(row.split(" | ")[-1])] == []


def test_the_table_of_services_says_who_calls_whom() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(rf"^\| ({'|'.join(CALLS)}) \|[^|]*\| ([^|]*) \|", table, re.M)
    assert {name for name, _ in rows} == set(CALLS)
    assert {(name, called) for name, calls in rows for called in calls.split(", ") if called in CALLS} == (
        calls_between_services()
    )


def test_the_index_of_documents_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    listed = set(_LINK.findall(index.read_text()))
    assert {page.name for page in index.parent.glob("*.md")} - {index.name} <= listed
