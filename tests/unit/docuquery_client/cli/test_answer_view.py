"""An answer for people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1.answer_pb2 import Citation, CitationVerdict
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.common.v1.text_pb2 import PageRange, TextSpan
from docuquery.gateway.v1.docuquery_service_pb2 import QueryResult
from docuquery_client.cli.answer_view import page_text, place, source_lines, with_marks


def cited(number: int, end: int) -> Citation:
    return Citation(source_number=number, answer_span=TextSpan(char_start=0, char_end=end))


def test_marks_stand_behind_the_piece_they_support() -> None:
    answer = "One. Two – zwei. Three."
    marked = with_marks(answer, [cited(2, 4), cited(1, 16), cited(3, 16), cited(1, 16)])
    assert marked.plain == "One. [2] Two – zwei. [1][3] Three."


def test_no_mark_is_doubled_by_a_space_and_spans_outside_are_cut() -> None:
    assert with_marks("One. Two", [cited(1, 5)]).plain == "One. [1] Two"
    assert with_marks("One.", [cited(1, 99), cited(2, -4)]).plain == "[2]One. [1]"


@given(st.text(alphabet="ab. é\n", max_size=40), st.lists(st.integers(-5, 50), max_size=5))
def test_without_its_marks_the_answer_is_what_it_was(answer: str, ends: list[int]) -> None:
    marked = with_marks(answer, [cited(7, end) for end in ends]).plain
    assert marked.replace(" [7]", "").replace("[7]", "") == answer


def test_pages_and_headings_are_written_as_people_do() -> None:
    assert page_text(PageRange()) == ""
    assert page_text(PageRange(first=3, last=3)) == "page 3"
    assert page_text(PageRange(first=3, last=5)) == "pages 3-5"
    assert place("a.pdf", PageRange(first=2, last=2), ["A", "B"]) == "a.pdf, page 2 · A › B"
    assert place("a.md", PageRange(), []) == "a.md"


def test_a_source_is_listed_once_with_each_of_its_quotes() -> None:
    verbatim = CitationVerdict.CITATION_VERDICT_VERBATIM
    result = QueryResult(
        sources=[Passage(filename="a.pdf", pages=PageRange(first=4, last=6)), Passage(filename="b.md")],
        citations=[
            Citation(source_number=1, filename="a.pdf", quote="first\n quote", verdict=verbatim),
            Citation(source_number=1, filename="a.pdf", quote="second", verdict=3),  # type: ignore[arg-type] # a plain number is allowed on the wire
            Citation(source_number=1, filename="a.pdf", quote="first\n quote", verdict=verbatim),
        ],
    )
    assert [line.plain for line in source_lines(result)] == [
        "[1] a.pdf, pages 4-6",
        "    “first quote” VERBATIM",
        "    “second” UNSUPPORTED",
    ]
