"""Separated values: rows with the names of their columns."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.chunking.chunking import chunk
from services.ingest.model import DocumentType
from services.ingest.parsers.csv import parse
from services.ingest.parsers.csv.dialect import find_delimiter


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"name,age\nAnn,30\nBob,\n", "name: Ann | age: 30\n\nname: Bob"),
        (b"name;age\r\nAnn;1,5\r\n", "name: Ann | age: 1,5"),
        (b"name\tage\nAnn\t30\n", "name: Ann | age: 30"),
        (b"sep=|\nname|age\nAnn|30\n", "name: Ann | age: 30"),
        (b'a,b\n"x, y","two\nlines"\n', "a: x, y | b: two lines"),
        (b"a,b\n1,2,3\n4\n", "a: 1 | b: 2 | 3\n\na: 4"),
        (b"1,2\n3,4\n", "1 | 2\n\n3 | 4"),
        (b"a,b\n", "a | b"),
        (b'a,b\n5" pipe,x\n"open,y\n', 'a: 5" pipe | b: x\n\na: "open | b: y'),
        ("名前,年齢\n佐藤,30\n".encode("cp932") * 1 + "三木,25\n髙橋,35\n".encode("cp932"),
         "名前: 佐藤 | 年齢: 30\n\n名前: 三木 | 年齢: 25\n\n名前: 髙橋 | 年齢: 35"),
        (b"", ""),
    ],
)  # fmt: skip
def test_every_row_names_its_columns(data: bytes, expected: str) -> None:
    """In any common dialect and encoding; what is malformed is kept as it stands."""
    parsed = parse(data)
    assert parsed.text == expected
    assert parsed.type == DocumentType.CSV


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ("Prose, it is.\nAnd more, of it, here.\nAnd none.\n", ""),
        ("one column\nof lines\n", ""),
        ("a,b", ""),
    ],
)
def test_prose_has_no_delimiter(text: str, delimiter: str) -> None:
    """A regular number of columns in two rows or more is asked for."""
    assert find_delimiter(text) == delimiter


WORDS = st.text(st.characters(categories=("Ll", "Lo")), min_size=1, max_size=12)


@given(st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=30))
def test_every_row_is_one_line_that_names_every_column(rows: list[list[str]]) -> None:
    """Whatever the values are; and chunks of the text lose none of them."""
    out = io.StringIO()
    csv.writer(out).writerows([["first", "second", "third"], *rows])
    parsed = parse(out.getvalue().encode())
    lines = parsed.text.split("\n\n")
    assert len(lines) == len(rows)
    for line in lines:
        parts = line.split(" | ")
        assert [part.split(": ")[0] for part in parts] == ["first", "second", "third"]
    for piece in chunk(parsed, 500, 50):
        assert parsed.text[piece.char_start : piece.char_end].startswith("first: ")


def test_a_page_of_quotes_is_read_in_linear_time() -> None:
    """A quotation mark without its partner takes nothing in."""
    parsed = parse(b'a,b\n"x,1\n' + b"y,2\n" * 20_000)
    assert parsed.text.endswith("a: y | b: 2")
