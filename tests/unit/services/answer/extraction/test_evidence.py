"""How much of a question the passages speak of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.extraction.evidence import question_coverage
from tests.unit.services.answer.support import passage

HOTEL = passage("The hotel limit per night in Paris is 185 euros.", name="expenses.md")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the hotel limit in Paris?", 1.0),
        ("What is the capital of Mongolia?", 0.0),
        ("Which hotels are in Mongolia?", 0.5),
        ("What do expenses say?", 1.0),  # the file name counts
        ("???", 1.0),
    ],
)
def test_the_share_of_the_questions_words_that_the_passages_hold(question: str, expected: float) -> None:
    assert question_coverage(question, [HOTEL]) == expected


def test_a_synonym_counts_half() -> None:
    assert question_coverage("How much vacation?", [passage("Annual leave is granted.")]) == 0.5


def test_only_the_best_three_passages_count() -> None:
    filler = [passage("Nothing here.", name=f"{n}.md") for n in range(3)]
    assert question_coverage("Which hotel in Paris?", [*filler, HOTEL]) == 0.0
    assert question_coverage("Which hotel in Paris?", [*filler[:2], HOTEL]) == 1.0


def test_without_passages_nothing_is_covered() -> None:
    assert question_coverage("Which hotel?", []) == 0.0


@given(st.text(max_size=100), st.text(max_size=100))
def test_it_is_a_share(question: str, text: str) -> None:
    assert 0.0 <= question_coverage(question, [passage(text)]) <= 1.0
