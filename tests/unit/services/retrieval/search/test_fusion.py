"""Fusion puts two rankings together without favour, and the same way every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.model import ChunkKey
from services.retrieval.search.fusion import Fuse, min_max, ranked, reciprocal_rank

A, B, C, D = (ChunkKey("a", i) for i in range(4))
KEYS = st.builds(ChunkKey, st.sampled_from(["a", "b"]), st.integers(0, 9))
# Steps of 0.001: what differs by less may come out as a tie.
COSINES = st.dictionaries(KEYS, st.integers(-1000, 1000).map(lambda n: n / 1000), max_size=12)
BM25S = st.dictionaries(KEYS, st.integers(1, 50_000).map(lambda n: n / 1000), max_size=12)
WEIGHTS = st.floats(0, 1)
both = pytest.mark.parametrize("fuse", [min_max, reciprocal_rank])


def test_min_max_is_the_weighted_mean_of_stretched_scores() -> None:
    fused = min_max({A: 0.9, B: 0.5, C: 0.1}, {A: 2.0, C: 8.0}, 0.25)
    assert fused == {
        A: pytest.approx(0.25 * 1.0 + 0.75 * 2 / 8),
        B: pytest.approx(0.25 * 0.5),  # no common word: BM25 is 0, which is the lowest
        C: pytest.approx(0.75 * 1.0),
    }


def test_reciprocal_rank_follows_its_formula() -> None:
    fused = reciprocal_rank({A: 0.9, B: 0.5}, {B: 3.0, C: 2.0}, 0.5)
    assert fused == {
        A: pytest.approx(0.5),
        B: pytest.approx(0.5 * 61 / 62 + 0.5),
        C: pytest.approx(0.5 * 61 / 62),
    }


@both
@given(COSINES, BM25S, WEIGHTS)
def test_every_candidate_has_a_value_from_0_to_1(
    fuse: Fuse, dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float
) -> None:
    fused = fuse(dense, sparse, weight)
    assert fused.keys() == dense.keys() | sparse.keys()
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in fused.values())


@both
@given(COSINES)
def test_one_ranking_alone_keeps_its_order(fuse: Fuse, dense: dict[ChunkKey, float]) -> None:
    """Whatever the weight: what did not run has no say."""
    assert ranked(fuse(dense, {}, 0.3)) == ranked(fuse({}, dense, 0.3))
    order = ranked(fuse(dense, {}, 0.3))
    scores = [dense[key] for key in order]
    assert scores == sorted(scores, reverse=True)


@both
@given(COSINES, BM25S, WEIGHTS)
def test_the_best_of_both_rankings_comes_first(
    fuse: Fuse, dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float
) -> None:
    dense[D], sparse[D] = 1.5, 60.0
    assert max(fuse(dense, sparse, weight).values()) == pytest.approx(fuse(dense, sparse, weight)[D])


@both
@given(COSINES, BM25S, WEIGHTS)
def test_the_order_does_not_depend_on_the_order_of_hits(
    fuse: Fuse, dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float
) -> None:
    backwards = fuse(dict(reversed(dense.items())), dict(reversed(sparse.items())), weight)
    assert ranked(fuse(dense, sparse, weight)) == ranked(backwards)


@given(COSINES, BM25S, WEIGHTS, st.floats(0.1, 10), st.floats(-5, 5))
def test_min_max_does_not_see_the_scale_of_an_index(
    dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float, factor: float, offset: float
) -> None:
    moved = {key: score * factor + offset for key, score in dense.items()}
    plain, changed = min_max(dense, sparse, weight), min_max(moved, sparse, weight)
    spread = max(dense.values(), default=0) - min(dense.values(), default=0)
    if spread > 1e-3:
        assert changed == {key: pytest.approx(value, abs=1e-6) for key, value in plain.items()}


def test_equals_stand_in_the_order_of_their_keys() -> None:
    assert ranked({C: 0.5, A: 0.5, B: 0.7, D: 0.5}) == [B, A, C, D]
