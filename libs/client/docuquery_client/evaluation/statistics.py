"""How far figures may be trusted: intervals of one run, and whether two runs differ.

The questions are the sample: another set of the same kind would have others. Both methods draw them anew and
assume nothing about how scores are distributed (Sakai, "Laboratory Experiments in Information Retrieval",
2018). All draws come from a seed, so the same reports give the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docuquery_client.evaluation.scores import Scores, Share

RESAMPLES = 2_000
PERMUTATIONS = 10_000
SEED = 2025

_TAILS = (2.5, 97.5)
"""Percentiles: what lies between them is 95 %."""
_BATCH_CELLS = 4_000_000
"""Draws times questions held at a time: 32 MB."""
_ROUNDING = 1e-12
_NOTHING = Share(0.0, 0.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs, A and B, over the same questions."""

    a: float
    b: float
    low: float
    """The 95 % interval of B - A."""
    high: float
    p: float
    """The chance of a difference as large, in either direction, if it did not matter which run is which."""
    questions: int
    """To how many the metric applies, in one run or the other."""

    @property
    def difference(self) -> float:
        """B - A."""
        return self.b - self.a


def interval(
    scored: Sequence[Scores], name: str, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """The 95 % interval of a metric by the percentile bootstrap; (0, 0) where it applies to no question.

    The questions to which it applies are drawn with replacement, as many as there are, `resamples` times.
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """
    shares = _table([scores[name] for scores in scored if name in scores])
    if not len(shares):
        return 0.0, 0.0
    random = np.random.default_rng(seed)
    return _between([_ratio(counts @ shares) for counts in _resampled(len(shares), resamples, random)])


def difference(
    a: Sequence[Scores],
    b: Sequence[Scores],
    name: str,
    *,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> Difference:
    """Compares two runs in one metric; `a[i]` and `b[i]` are scores of the same question.

    The interval is the paired bootstrap's. p is that of the two-sided paired randomisation test: the runs'
    scores are exchanged, question by question, at the toss of a coin, and p is the share of `permutations`
    such tosses, and the one observed, whose difference is as large. Smucker, Allan and Carterette, "A
    Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007. Raises
    ValueError when the runs have different numbers of questions.
    """
    pairs = [(one, two) for one, two in zip(a, b, strict=True) if name in one or name in two]
    if not pairs:
        return Difference(0.0, 0.0, 0.0, 0.0, 1.0, 0)
    of_a = _table([one.get(name, _NOTHING) for one, _ in pairs])
    of_b = _table([two.get(name, _NOTHING) for _, two in pairs])
    random = np.random.default_rng(seed)
    drawn = [
        _ratio(counts @ of_b) - _ratio(counts @ of_a) for counts in _resampled(len(pairs), resamples, random)
    ]
    all_a, all_b = of_a.sum(axis=0), of_b.sum(axis=0)
    value_a, value_b = float(_ratio(all_a)), float(_ratio(all_b))
    extreme = 0
    for rows in _batches(permutations, len(pairs)):
        exchanged = random.integers(0, 2, size=(rows, len(pairs))).astype(np.float64)
        moved = exchanged @ (of_b - of_a)
        permuted = _ratio(all_b - moved) - _ratio(all_a + moved)
        extreme += int(np.count_nonzero(np.abs(permuted) >= abs(value_b - value_a) - _ROUNDING))
    low, high = _between(drawn)
    return Difference(value_a, value_b, low, high, (1 + extreme) / (1 + permutations), len(pairs))


def _resampled(questions: int, resamples: int, random: np.random.Generator) -> Iterator[Floats]:
    """How often each question is drawn: a row for each resample, several at a time."""
    even = np.full(questions, 1 / questions)
    for rows in _batches(resamples, questions):
        yield random.multinomial(questions, even, size=rows).astype(np.float64)


def _batches(draws: int, questions: int) -> Iterator[int]:
    most = max(1, _BATCH_CELLS // questions)
    for done in range(0, draws, most):
        yield min(most, draws - done)


def _table(shares: Sequence[Share]) -> Floats:
    return np.array(shares, dtype=np.float64).reshape(len(shares), 2)


def _ratio(sums: Floats) -> Floats:
    """Parts by wholes of the last axis; a share of nothing is 0."""
    parts, wholes = sums[..., 0], sums[..., 1]
    return np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)


def _between(drawn: Sequence[Floats]) -> tuple[float, float]:
    low, high = np.percentile(np.concatenate(drawn), _TAILS)
    return float(low), float(high)
