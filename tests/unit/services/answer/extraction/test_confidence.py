"""How sure the choice of sentences is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.extraction.candidates import SourceText
from services.answer.extraction.confidence import WEIGHTS, Signals, confidence_of
from services.answer.extraction.selection import SelectionPolicy, choose, consider, select
from services.answer.extraction.weights import utility
from services.answer.language.vectors import PieceVectors

VECTORS = PieceVectors.load()
FERRY = SourceText(
    "The night ferry leaves Harwick at 22:40. It does not carry horses. Captain Ida Thorne steers it.", 0.5
)
POLICY = SelectionPolicy(max_sentences=1)
NEUTRAL = Signals(*[0.0] * len(Signals._fields))


def signals_of(question: str, *sources: SourceText) -> Signals:
    considered = consider(question, sources or (FERRY,), VECTORS)
    return choose(considered, [utility(item.features) for item in considered.scored], POLICY).signals


def test_names_and_numbers_that_stand_nowhere_are_told() -> None:
    assert signals_of("When does the night ferry leave Harwick?").unknown_names == 0.0
    assert signals_of("When does the night ferry leave Dunmere?").unknown_names == 1.0
    assert signals_of("Which ferry leaves at 22:40?").missing_number == 0.0
    assert signals_of("Which ferry leaves at 23:10?").missing_number == 1.0


def test_a_missing_kind_of_answer_is_told() -> None:
    named = SourceText("The night ferry is steered by Ida Thorne.", 0.5)
    assert signals_of("Who steers the night ferry?", named).missing_kind == 0.0
    quiet = SourceText("The night ferry is steered with care.", 0.5)
    assert signals_of("Who steers the night ferry?", quiet).missing_kind == 1.0


def test_denial_on_one_side_only_is_told() -> None:
    assert signals_of("What does the ferry not carry?").denial == 0.0
    assert signals_of("Does the ferry carry horses?").denial == 1.0


@pytest.mark.parametrize("against", ["unknown_names", "missing_number", "missing_kind", "denial"])
def test_what_speaks_against_an_answer_lowers_the_confidence(against: str) -> None:
    assert confidence_of(NEUTRAL._replace(**{against: 1.0})) < confidence_of(NEUTRAL)


@pytest.mark.parametrize("for_it", ["utility", "share", "covered", "passage_score"])
def test_what_speaks_for_an_answer_raises_it(for_it: str) -> None:
    assert confidence_of(NEUTRAL._replace(**{for_it: 0.5})) > confidence_of(NEUTRAL)


def test_below_the_least_confidence_nothing_is_chosen_and_the_confidence_is_told() -> None:
    question = "When does the night ferry leave Harwick?"
    sure = select(question, [FERRY], POLICY, VECTORS)
    assert sure.picks
    bar = SelectionPolicy(max_sentences=1, min_confidence=sure.confidence + 0.01)
    refused = select(question, [FERRY], bar, VECTORS)
    assert (refused.picks, refused.confidence) == ((), sure.confidence)


@given(st.tuples(*[st.floats(-20, 20) for _ in WEIGHTS]))
def test_it_is_a_probability(values: tuple[float, ...]) -> None:
    confidence = confidence_of(Signals(*values))
    assert 0.0 <= confidence <= 1.0
    assert not math.isnan(confidence)
