"""The candidates beside each other: marks of the best, and scores smoothed among kin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.retrieval.rerankers.pool import Floats, Pool, distinct
from services.retrieval.rerankers.words import NO_TERM


def pool(*passages: list[int]) -> Pool:
    """Each passage as the numbers of its terms."""
    return Pool(np.concatenate(passages), np.array(list(map(len, passages))))


def even(given: Pool) -> Floats:
    return np.ones(len(given.terms))


def test_the_terms_of_the_best_that_the_others_lack_mark_them() -> None:
    candidates = pool([1, 2], [1, 2], [1, 3], *[[1, 4]] * 40)
    columns, weights = candidates.marks(np.array([1.0, 1.0] + [0.0] * 41))
    assert candidates.terms[columns[0]] == 2
    assert weights[0] > 2 * weights[1]


def test_a_passage_among_good_kin_gains_and_one_among_bad_kin_loses() -> None:
    candidates = pool([1, 2, 3], [1, 2, 3], [1, 2, 3], [7, 8, 9], [7, 8, 9], [7, 8, 9])
    scores = np.array([0.9, 0.8, 0.5, 0.6, 0.1, 0.0])
    smooth = candidates.smoothed(scores, even(candidates), 0.5)
    assert smooth[2] > scores[2]
    assert smooth[3] < scores[3]
    assert smooth[2] > smooth[3]


def test_the_stronger_the_more_alike_and_not_at_all_changes_nothing() -> None:
    candidates = pool([1, 2], [1, 2], [1, 3], [1, 3])
    scores = np.array([1.0, 0.0, 0.6, 0.2])
    spreads = [np.ptp(candidates.smoothed(scores, even(candidates), each)) for each in (0.0, 0.4, 0.8)]
    assert candidates.smoothed(scores, even(candidates), 0.0) == pytest.approx(scores)
    assert spreads[0] > spreads[1] > spreads[2]


def test_who_is_akin_to_none_keeps_its_score() -> None:
    candidates = pool([1, 2], [1, 2], [5, 6], [NO_TERM])
    smooth = candidates.smoothed(np.array([1.0, 0.0, 0.7, 0.3]), even(candidates), 0.8)
    assert smooth[2:] == pytest.approx([0.7, 0.3])


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12), min_size=1, max_size=40),
    st.floats(0.0, 0.9),
    st.data(),
)
def test_smoothed_scores_stay_in_range(
    passages: list[list[int]], strength: float, data: st.DataObject
) -> None:
    candidates = pool(*passages)
    scores = data.draw(arrays.arrays(np.float64, len(passages), elements=st.floats(0.0, 1.0)))
    smooth = candidates.smoothed(scores, candidates.rarity, strength)
    assert np.isfinite(smooth).all()
    assert scores.min() - 1e-6 <= smooth.min()
    assert smooth.max() <= scores.max() + 1e-6


@given(arrays.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 50)))
def test_distinct_is_numpys_unique(ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    expected, inverse = np.unique(ids, return_inverse=True)
    found, places = distinct(ids)
    assert found.tolist() == expected.tolist()
    assert places.tolist() == inverse.tolist()
