"""Figures of answers, against cases worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.evaluation.answer_metrics import (
    METRICS,
    Asked,
    Quote,
    answer_metrics,
    exact_match,
    f1,
    holds_span,
    normalised,
)


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


def test_the_figures_of_a_run() -> None:
    right, wrong = Quote("a.txt", "It leaves at ten."), Quote("b.txt", "It leaves at ten.")
    asked = [
        # The right passage is second; one citation of two is right.
        Asked(("a.txt",), ("ten",), (wrong, right), "It leaves at ten.", (right, wrong)),
        # The right passage is first, and the answer is the span itself.
        Asked(("a.txt",), ("at ten",), (right,), "at ten", (right,)),
        # Refused although it has an answer, the right passage being sixth.
        Asked(("a.txt",), ("ten",), (wrong,) * 5 + (right,), ""),
        Asked(("a.txt",), (), (right,), ""),
        Asked(("a.txt",), (), (right,), "At ten.", (right,)),
    ]
    assert answer_metrics(asked) == pytest.approx(
        {
            "hit@1": 1 / 3,
            "hit@5": 2 / 3,
            "answer_contains": 2 / 3,
            "exact_match": 1 / 3,
            "f1": (2 * 0.25 / 1.25 + 1 + 0) / 3,
            "citation_precision": 2 / 3,
            "citation_recall": 2 / 3,
            "abstention_precision": 1 / 2,
            "abstention_recall": 1 / 2,
        }
    )


def test_shares_of_nothing_are_0() -> None:
    figures = answer_metrics([Asked((), (), (), "yes")])
    assert figures == dict.fromkeys(METRICS, 0.0)


texts = st.text("ab c.", max_size=12)


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_an_exact_match_has_the_full_f1_and_all_is_between_0_and_1(answer: str, golds: list[str]) -> None:
    assert 0.0 <= f1(answer, golds) <= 1.0
    if exact_match(answer, golds):
        assert f1(answer, golds) == 1.0
