"""A collection's documents as files: which type, and what reaches the service of title and text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1.document_pb2 import DocumentType
from docuquery_client.evaluation.beir import CorpusDocument, RetrievalDataset
from docuquery_client.evaluation.upload import file_content, source_of, write_files
from services.ingest.parsers import markdown
from services.ingest.parsers import text as plain

TEXT = DocumentType.DOCUMENT_TYPE_TEXT
MARKDOWN = DocumentType.DOCUMENT_TYPE_MARKDOWN


def read(title: str, text: str) -> tuple[str, str]:
    """Title and text as the ingest service reads them."""
    content, kind = file_content(CorpusDocument("1", title, text))
    parsed = (markdown if kind == MARKDOWN else plain).parse(content.encode())
    return parsed.title, parsed.text


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Herons", "They stand in water."),
        ("\"Quoted\" and 'quoted'", "x"),
        ("a: b # c *d* \\e [f](g) <h>", "*p* < .05, `code`, _a_, [1], <b>, a|b, 1. x, &amp; \\ "),
        ("---", "x"),
        ("Two\nlines", "> quoted\n\n* item\n    indented # not a heading"),
    ],
)
def test_the_title_arrives_as_the_title_and_the_text_untouched(title: str, text: str) -> None:
    assert read(title, text) == (" ".join(title.split()), text.strip())


@pytest.mark.parametrize(
    "text",
    ["# heading", "a\n---\nb", "a | b\n--|--\n1 | 2", "```\ncode\n```", "a\n===", "---\ntitle: x\n---\ny"],
)
def test_a_text_that_markdown_would_restructure_goes_as_plain_text_below_its_title(text: str) -> None:
    assert file_content(CorpusDocument("1", "T", text)) == (f"T\n\n{text}", TEXT)


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [("", "---\ntitle: x\n---\ny", "---\ntitle: x\n---\ny"), ("T", " ", "T"), ("T", "T", "T")],
)
def test_without_a_title_of_its_own_a_document_is_plain_text(title: str, text: str, expected: str) -> None:
    assert file_content(CorpusDocument("1", title, text)) == (expected, TEXT)


readable = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1)


@given(title=readable, lines=st.lists(readable, min_size=1))
def test_nothing_of_any_text_is_lost_or_added(title: str, lines: list[str]) -> None:
    text = "\n".join(lines)
    found_title, found = read(title, text)
    cleaned = plain.parse(text.encode()).text
    shown = " ".join(title.split())
    assert found in (cleaned, f"{shown}\n\n{cleaned}", shown)
    if found == cleaned and cleaned != shown and shown:
        assert found_title == shown


def test_sources_are_stable_and_distinct_whatever_an_id_holds() -> None:
    assert source_of("cranfield", "12") == "cranfield/12"
    assert source_of("a/b", "c d/é") == "a%2Fb/c%20d%2F%C3%A9"


def test_each_document_with_text_becomes_one_file(tmp_path: Path) -> None:
    documents = (
        CorpusDocument("a", "Title", "Text"),
        CorpusDocument("b", "", ""),
        CorpusDocument("c", "", "half \ud83d of a pair"),
    )
    files = write_files(RetrievalDataset("set", documents, ()), tmp_path)
    assert [(file.path.name, file.source, file.type) for file in files] == [
        ("1.md", "set/a", MARKDOWN),
        ("3.txt", "set/c", TEXT),
    ]
    assert [file.path.read_text() for file in files] == ['---\ntitle: "Title"\n---\nText', "half ? of a pair"]
