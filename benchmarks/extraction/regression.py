"""Two regressions by Newton's method: which of several, and whether."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_STEPS = 60
_SMALL = 1e-7


def fit_choice(
    rows: Sequence[Numbers], right: Sequence[NDArray[np.bool_]], penalty: float
) -> tuple[float, ...]:
    """Weights of a conditional logit (McFadden 1974): the chance of each row of a group is softmax(row·w).

    Maximises the mean log probability of the right rows, of which each group has one or more, less
    penalty·|w|². With several right rows each step shares the group among them by what it believes
    (expectation and maximisation in turn).
    """
    stacked = np.vstack(rows)
    starts = np.cumsum([0] + [len(row) for row in rows[:-1]])
    group = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    target = np.concatenate(right).astype(np.float64)
    weights = np.zeros(stacked.shape[1])
    for _ in range(_STEPS):
        chance = _softmax(stacked @ weights, starts, group)
        wanted = chance * target
        wanted /= np.add.reduceat(wanted, starts)[group]
        mean = np.add.reduceat(chance[:, None] * stacked, starts)
        slope = stacked.T @ (wanted - chance) / len(rows) - 2 * penalty * weights
        curve = (stacked.T @ (chance[:, None] * stacked) - mean.T @ mean) / len(rows)
        step = np.linalg.solve(curve + 2 * penalty * np.eye(len(weights)), slope)
        weights += step
        if np.abs(step).max() < _SMALL:
            break
    return tuple(weights)


def fit_logistic(rows: Numbers, right: NDArray[np.bool_], penalty: float) -> tuple[float, tuple[float, ...]]:
    """Intercept and weights of a logistic regression: the chance of a row to be right is σ(row·w + b).

    Maximises the mean log likelihood less penalty·|w|²; the intercept bears no penalty.
    """
    stacked = np.hstack([np.ones((len(rows), 1)), rows])
    burden = 2 * penalty * np.diag([0.0] + [1.0] * rows.shape[1])
    weights = np.zeros(stacked.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-stacked @ weights))
        slope = stacked.T @ (right - chance) / len(rows) - burden @ weights
        curve = stacked.T @ ((chance * (1 - chance))[:, None] * stacked) / len(rows)
        step = np.linalg.solve(curve + burden, slope)
        weights += step
        if np.abs(step).max() < _SMALL:
            break
    return float(weights[0]), tuple(weights[1:])


def _softmax(values: Numbers, starts: NDArray[np.int_], group: NDArray[np.int_]) -> Numbers:
    raised = np.exp(values - np.maximum.reduceat(values, starts)[group])
    shares: Numbers = raised / np.add.reduceat(raised, starts)[group]
    return shares
