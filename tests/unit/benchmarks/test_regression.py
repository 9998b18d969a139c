"""The regressions that fit the extractive provider's constants."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.extraction.regression import fit_choice, fit_logistic


def test_a_choice_between_two_is_a_logistic_regression_of_the_difference() -> None:
    # The first row is right three times in four, and differs by 1: the log odds are ln 3.
    rows = [np.array([[1.0], [0.0]])] * 4
    right = [np.array([True, False])] * 3 + [np.array([False, True])]
    (weight,) = fit_choice(rows, right, penalty=0.0)
    assert weight == pytest.approx(np.log(3))


def test_any_right_row_of_a_group_will_do() -> None:
    # P(a or b) = 2 e^w / (2 e^w + 1) is right 3 times in 4: e^w = 3/2.
    rows = [np.array([[1.0], [1.0], [0.0]])] * 4
    right = [np.array([True, True, False])] * 3 + [np.array([False, False, True])]
    (weight,) = fit_choice(rows, right, penalty=0.0)
    assert weight == pytest.approx(np.log(1.5))


def test_a_penalty_draws_towards_0() -> None:
    rows = [np.array([[1.0], [0.0]])] * 4
    right = [np.array([True, False])] * 4
    (weight,) = fit_choice(rows, right, penalty=0.1)
    assert 0 < weight < 5


def test_a_logistic_regression_gives_back_the_shares() -> None:
    rows = np.array([[0.0]] * 4 + [[1.0]] * 4)
    right = np.array([True, False, False, False, True, True, True, False])
    intercept, (weight,) = fit_logistic(rows, right, penalty=0.0)
    assert intercept == pytest.approx(np.log(1 / 3))
    assert weight == pytest.approx(2 * np.log(3))
