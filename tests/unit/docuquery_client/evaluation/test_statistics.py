"""Intervals and paired tests: known values, and what must hold when the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docuquery_client.evaluation.scores import Scores, Share, mark
from docuquery_client.evaluation.statistics import difference, interval

NAME = "m"


def marks(*values: float) -> list[Scores]:
    return [{NAME: mark(value)} for value in values]


def test_scores_that_are_all_the_same_have_no_spread() -> None:
    assert interval(marks(*[0.25] * 9), NAME) == (0.25, 0.25)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution_when_there_are_many() -> None:
    values = np.random.default_rng(1).random(2_000)
    low, high = interval(marks(*values), NAME, resamples=4_000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.002)


def test_a_share_of_many_parts_weighs_questions_by_their_wholes() -> None:
    # Ten questions with 1 of 1, and ten with 0 of 9: a tenth, not a half.
    scored: list[Scores] = [{NAME: Share(1, 1)}] * 10 + [{NAME: Share(0, 9)}] * 10
    low, high = interval(scored, NAME)
    assert low < 0.1 < high < 0.3


def test_questions_to_which_a_metric_does_not_apply_change_nothing() -> None:
    some = marks(0, 1, 1, 0, 1)
    assert interval([*some, {}, {"other": mark(1)}], NAME) == interval(some, NAME)
    assert interval([{}], NAME) == (0.0, 0.0)


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly() -> None:
    some = marks(*np.random.default_rng(2).random(60))
    assert interval(some, NAME, seed=3) == interval(some, NAME, seed=3)
    assert interval(some, NAME, seed=3) == pytest.approx(interval(some, NAME, seed=4), abs=0.02)
    assert interval(some, NAME, seed=3) != interval(some, NAME, seed=4)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        low, high = interval(marks(*(random.random(60) < 0.7)), NAME, resamples=1_000)
        held += low <= 0.7 <= high
    # A percentile interval of a share is a little short; 400 trials scatter by 1.1 %.
    assert 0.91 <= held / 400 <= 0.98


def test_without_a_true_difference_about_1_in_20_is_called_significant() -> None:
    random = np.random.default_rng(6)
    called = 0
    for _ in range(400):
        a, b = marks(*random.random(40)), marks(*random.random(40))
        called += difference(a, b, NAME, resamples=10, permutations=500).p <= 0.05
    assert 0.02 <= called / 400 <= 0.08


def test_a_true_difference_is_found() -> None:
    random = np.random.default_rng(7)
    base = random.random(100) * 0.5
    found = difference(marks(*base), marks(*(base + 0.1 + 0.05 * random.random(100))), NAME)
    assert found.p < 0.001
    assert found.low > 0.09
    assert found.difference == pytest.approx(0.125, abs=0.01)


def test_p_is_the_share_of_exchanges_with_as_large_a_difference() -> None:
    # Five questions better by 1, none worse: of 2^5 exchanges two are as extreme, 1/16 of them.
    found = difference(marks(0, 0, 0, 0, 0), marks(1, 1, 1, 1, 1), NAME, permutations=20_000)
    assert found.p == pytest.approx(1 / 16, abs=0.006)
    assert (found.a, found.b, found.low, found.high, found.questions) == (0.0, 1.0, 1.0, 1.0, 5)


def test_a_question_with_a_share_in_one_run_alone_counts() -> None:
    # A cites nothing of the second question, B three times in vain.
    a: list[Scores] = [{NAME: Share(1, 1)}, {}]
    b: list[Scores] = [{NAME: Share(1, 1)}, {NAME: Share(0, 3)}]
    found = difference(a, b, NAME)
    assert (found.a, found.b, found.questions) == (1.0, 0.25, 2)


def test_a_metric_that_applies_to_nothing_differs_in_nothing() -> None:
    found = difference([{}], [{}], NAME)
    assert (found.difference, found.p, found.questions) == (0.0, 1.0, 0)


def test_runs_of_different_length_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="shorter"):
        difference(marks(1, 0), marks(1), NAME)


values = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


@given(values)
@settings(deadline=None, max_examples=40)
def test_exchanging_the_runs_changes_the_sign_alone(pairs: list[tuple[float, float]]) -> None:
    a, b = marks(*(one for one, _ in pairs)), marks(*(two for _, two in pairs))
    there = difference(a, b, NAME, resamples=200, permutations=200)
    back = difference(b, a, NAME, resamples=200, permutations=200)
    assert back.difference == pytest.approx(-there.difference, abs=1e-9)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-9)
    assert 0 < there.p <= 1
    assert there.p == pytest.approx(back.p, abs=1e-9)


@given(values)
@settings(deadline=None, max_examples=40)
def test_an_interval_lies_within_the_scores(pairs: list[tuple[float, float]]) -> None:
    scores = [one for one, _ in pairs]
    low, high = interval(marks(*scores), NAME, resamples=200)
    assert min(scores) - 1e-9 <= low <= high <= max(scores) + 1e-9
