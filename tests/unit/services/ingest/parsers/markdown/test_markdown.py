"""Markdown: source lines kept, headings found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.model import ParsedDocument
from services.ingest.parsers.markdown import parse


def outline(parsed: ParsedDocument) -> list[tuple[str, tuple[str, ...]]]:
    """The first line of each section with its path."""
    return [(parsed.text[s.char_start :].split("\n")[0], s.headings) for s in parsed.sections]


def test_headings_make_paths() -> None:
    """ATX and Setext headings, each section at the first character of its heading."""
    parsed = parse(b"intro\n\n# A\n\ntext\n\n## B *b* `c` [d](e)\n\nD\n=\n\n### E\n\n## F\n")
    assert parsed.text.startswith("intro\n\n# A")
    assert outline(parsed) == [
        ("# A", ("A",)),
        ("## B *b* `c` [d](e)", ("A", "B b c d")),
        ("D", ("D",)),
        ("### E", ("D", "E")),
        ("## F", ("D", "F")),
    ]
    assert parsed.title == "A"


@pytest.mark.parametrize(
    "source",
    [
        "```\n# no\n```",
        "~~~sh\n# no\n~~~",
        "    # no",
        "> # no",
        "- # no",
        "#no",
        "<!--\n# no\n-->",
        "text # no",
    ],
)
def test_what_only_looks_like_a_heading_is_none(source: str) -> None:
    """Code, quotations, lists, comments."""
    assert not parse(source.encode()).sections


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ("---\ntitle: My Page\ntags: [a]\n---\n", "My Page"),
        ("---\ntitle: 'Quoted: yes'\n---\n", "Quoted: yes"),
        ('+++\ntitle = "Toml"\n+++\n', "Toml"),
        ("---\ntags: [a]\n---\n", "Heading"),
    ],
)
def test_front_matter_is_dropped_but_for_the_title(front: str, title: str) -> None:
    """The text begins after it, with offsets to match."""
    parsed = parse((front + "\n# Heading\n\ntext").encode())
    assert parsed.text == "# Heading\n\ntext"
    assert parsed.title == title
    assert parsed.sections[0].char_start == 0


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    """Three dashes without an end stay."""
    assert parse(b"---\n\ntext").text == "---\n\ntext"


def test_source_lines_are_kept() -> None:
    """Lists and code stand as they were written, and tables inside of them."""
    source = "- a\n  - b\n\n  | x | y |\n  |---|---|\n  | 1 | 2 |\n\n```py\nx = 1\n\ny = 2\n```"
    assert parse(source.encode()).text == source


def test_offsets_count_code_points_after_normalisation() -> None:
    """Decomposed letters and emoji before a heading do not shift it."""
    parsed = parse("e\u0301🎉\r\n\r\n# Ti\u0308tle\r\n".encode())
    assert parsed.text[parsed.sections[0].char_start :] == "# Tïtle"


def test_an_empty_heading_adds_nothing_to_the_path() -> None:
    """It still ends the deeper levels."""
    parsed = parse(b"# A\n\n## B\n\n##\n\ntext")
    assert [s.headings for s in parsed.sections] == [("A",), ("A", "B"), ("A",)]


def test_deep_nesting_is_no_trouble() -> None:
    """A thousand quotation marks are text."""
    assert parse(b">" * 1000 + b" x\n\n# A").sections[0].headings == ("A",)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("| Name | Age |\n|---|--:|\n| Ann | 3 |\n| Bob | |\n", "Name: Ann | Age: 3\n\nName: Bob"),
        ("Name | Age\n:-- | ---\nAnn | 3", "Name: Ann | Age: 3"),
        ("before\n| a | b |\n|---|---|\n| 1 | 2 |\n\nafter", "before\n\na: 1 | b: 2\n\nafter"),
        ("| | |\n|---|---|\n| Ann | 3 |\n| Bob | 4 |", "Ann | 3\nBob | 4"),
        ("| Name | Age |\n|---|---|", "Name | Age"),
        ("a | b\n---|---|---\n1 | 2", "a | b\n---|---|---\n1 | 2"),
        ("a | b\ntext\n--- | ---", "a | b\ntext\n--- | ---"),
        ("text\na | b\n--- | ---\n1 | 2 | 3\nmore", "text\n\na: 1 | b: 2 | 3\n\na: more"),
        ("| a | b |\n|---|---|\n| `x\\|y` | **2** |", "a: `x|y` | b: **2**"),
    ],
)
def test_rows_of_a_table_name_their_columns(source: str, expected: str) -> None:
    """Whatever chunk a row falls into, its header is there; a table without names keeps its lines."""
    assert parse(source.encode()).text == expected


def test_headings_and_code_keep_their_places_around_tables() -> None:
    """Offsets count the text as it is stored, with its tables rewritten."""
    table = "| Long name of a column | Other |\n|---|---|\n" + "| 1 | 2 |\n" * 5
    parsed = parse(f"# A\n\n{table}\n## B\n\n```\nx\n\ny\n```\n\n{table}\n## C\n\nz\n".encode())
    assert outline(parsed) == [("# A", ("A",)), ("## B", ("A", "B")), ("## C", ("A", "C"))]
    assert [parsed.text[span.start : span.end].strip() for span in parsed.unbroken] == ["```\nx\n\ny\n```"]


@given(st.lists(st.sampled_from(["| a | b |", "|---|---|", "# H", "```", "text", "", "a|b", "- x", "> q"])))
def test_any_mixture_of_lines_keeps_every_word_and_every_place(lines: list[str]) -> None:
    """No line is lost but delimiter rows; sections begin at headings and spans lie inside the text."""
    parsed = parse("\n".join(lines).encode())
    assert parsed.text.count("text") == lines.count("text")
    assert all(parsed.text.startswith("# H", section.char_start) for section in parsed.sections)
    assert all(0 <= span.start < span.end <= len(parsed.text) for span in parsed.unbroken)
    assert all(parsed.text.startswith("```", span.start) for span in parsed.unbroken)
