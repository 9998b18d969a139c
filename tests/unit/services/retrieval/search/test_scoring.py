"""The reported score is absolute: what it says does not depend on the other passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.search.scoring import Scorer
from services.retrieval.terms.bm25 import K1, MAX_TERM_WEIGHT, B, Bm25Encoder

IDF = {1: 2.0, 2: 0.5}
BOUND = MAX_TERM_WEIGHT * 2.5


def test_the_score_is_the_mean_of_clipped_cosine_and_bm25_share() -> None:
    scorer = Scorer(IDF)
    assert scorer.bm25_bound == pytest.approx(BOUND)
    assert scorer.score(0.6, BOUND / 2) == pytest.approx(0.55)
    assert scorer.score(-0.4, BOUND / 2) == pytest.approx(0.25)
    assert scorer.score(1.0000001, BOUND) == 1.0


def test_a_part_that_cannot_speak_is_left_out() -> None:
    assert Scorer(IDF).score(0.6, None) == pytest.approx(0.6)
    assert Scorer(IDF).score(None, BOUND / 4) == pytest.approx(0.25)
    assert Scorer({}).score(0.6, 0.0) == pytest.approx(0.6), "a question of stop words only"
    assert Scorer({}).score(None, 0.0) == 0.0
    assert Scorer(IDF).score(0.6, 0.0) == pytest.approx(0.3), "no word in common counts"


@given(st.none() | st.floats(-1, 1), st.none() | st.floats(0, 100))
def test_the_score_is_always_0_to_1(cosine: float | None, bm25: float | None) -> None:
    assert 0.0 <= Scorer(IDF).score(cosine, bm25) <= 1.0


@given(st.text("abc \n", min_size=1, max_size=300))
def test_no_weight_of_a_term_reaches_the_bound(text: str) -> None:
    """So that BM25 stays below its bound whatever the passage is."""
    assert all(0 < weight < MAX_TERM_WEIGHT for weight in Bm25Encoder("english").document(text, "").values)


def test_the_weight_of_a_term_is_the_published_formula() -> None:
    (weight,) = Bm25Encoder("english").document("harbour harbour harbour", "").values
    assert weight == pytest.approx(3 * (K1 + 1) / (3 + K1 * (1 - B + B * 3 / 40)), rel=1e-5)
