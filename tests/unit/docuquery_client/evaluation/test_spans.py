"""Comparing answers with marked spans, against cases worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.evaluation.spans import exact_match, f1, holds_span, normalised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Night-Ferry, again!", "nightferry again"),
        ("A theatre and an anthem", "theatre and anthem"),
        ("§ 4.2", "§ 42"),
        ("", ""),
    ],
)
def test_case_punctuation_articles_and_white_space_do_not_count(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_exact_match_takes_any_of_the_spans() -> None:
    assert exact_match("the night ferry.", ["a train", "Night ferry"]) == 1.0
    assert exact_match("night ferry at dawn", ["night ferry"]) == 0.0


def test_f1_is_the_best_over_the_spans() -> None:
    # Two of the answer's four words are two of the span's two: precision 1/2, recall 1, F1 2/3.
    assert f1("ferry leaves at ten", ["leaves ferry", "swans"]) == pytest.approx(2 / 3)
    # A word counts as often as both have it: 1 of 2 and 1 of 1.
    assert f1("ten ten", ["ten"]) == pytest.approx(2 / 3)
    assert f1("nothing like it", ["swans"]) == 0.0
    assert f1("", ["swans"]) == 0.0


@pytest.mark.parametrize(
    ("text", "span", "holds"),
    [
        ("Rollo's men came in 911.", "rollo", True),
        ("Rollo's men\ncame in 911.", "men came", True),
        ("It was in 1911.", "911", False),
        ("Costs $3.50 each", "$3.50", True),
        ("总部设在上海。", "上海", True),
        ("anything", "  ", False),
    ],
)
def test_a_span_is_held_as_whole_words(text: str, span: str, holds: bool) -> None:
    assert holds_span(text, [span]) is holds


texts = st.text("ab c.", max_size=12)


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_an_exact_match_has_the_full_f1_and_all_is_between_0_and_1(answer: str, golds: list[str]) -> None:
    assert 0.0 <= f1(answer, golds) <= 1.0
    if exact_match(answer, golds):
        assert f1(answer, golds) == 1.0
