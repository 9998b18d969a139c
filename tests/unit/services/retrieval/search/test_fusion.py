"""Fusion puts two rankings together without favour, and the same way every time."""

from __future__ import annotations

from collections.abc import Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.model import ChunkKey
from services.retrieval.search.fusion import Balance, Fusion, Hits, MinMax, ReciprocalRank, ranked

A, B, C, D = (ChunkKey("a", i) for i in range(4))
KEYS = st.builds(ChunkKey, st.sampled_from(["a", "b"]), st.integers(0, 9))
# Steps of 0.001: what differs by less may come out as a tie.
COSINES = st.dictionaries(KEYS, st.integers(-1000, 1000).map(lambda n: n / 1000), max_size=12)
BM25S = st.dictionaries(KEYS, st.integers(1, 50_000).map(lambda n: n / 1000), max_size=12)
WEIGHTS = st.floats(0, 1)
both = pytest.mark.parametrize("fusion", [MinMax, ReciprocalRank])


def fuse(
    fusion: Fusion,
    dense: dict[ChunkKey, float],
    sparse: dict[ChunkKey, float],
    weight: float,
    unrelated: float = 0.0,
) -> dict[ChunkKey, float]:
    return fusion(dense, sparse, Balance(weight, unrelated)).fuse(dense, sparse)


def test_min_max_is_the_weighted_mean_of_stretched_scores() -> None:
    fused = fuse(MinMax, {A: 0.9, B: 0.5, C: 0.3}, {A: 2.0, C: 8.0}, 0.25, 0.1)
    assert fused == {
        A: pytest.approx(0.25 * 1.0 + 0.75 * 2 / 8),
        B: pytest.approx(0.25 * 0.5),  # no common word: BM25 is 0, which is the lowest
        C: pytest.approx(0.25 * 0.25 + 0.75 * 1.0),
    }


def test_a_hit_below_the_cosine_of_unrelated_texts_is_the_lowest() -> None:
    fused = fuse(MinMax, {A: 0.5, B: 0.3, C: -0.1}, {A: 1.0}, 1.0, 0.2)
    assert fused == {A: pytest.approx(1.0), B: pytest.approx(0.4 / 0.6), C: 0.0}


def test_what_was_asked_later_does_not_move_the_scale() -> None:
    fuser = MinMax({A: 0.9, B: 0.5}, {C: 8.0}, Balance(0.5, 0.1))
    before = fuser.fuse({A: 0.9, B: 0.5}, {C: 8.0})
    after = fuser.fuse({A: 0.9, B: 0.5, C: -0.4}, {C: 8.0})
    assert before == after


def test_what_an_approximate_index_overlooked_counts_as_its_best_hit() -> None:
    fused = MinMax({A: 0.6, B: 0.5}, {C: 8.0}, Balance(0.5)).fuse({A: 0.6, B: 0.5, C: 0.9}, {C: 8.0})
    assert fused[C] == pytest.approx(1.0)


def test_reciprocal_rank_follows_its_formula() -> None:
    assert fuse(ReciprocalRank, {A: 0.9, B: 0.5}, {B: 3.0, C: 2.0}, 0.5) == {
        A: pytest.approx(0.5),
        B: pytest.approx(0.5 * 61 / 62 + 0.5),
        C: pytest.approx(0.5 * 61 / 62),
    }


@both
@given(COSINES, BM25S, WEIGHTS)
def test_every_candidate_has_a_value_from_0_to_1(
    fusion: Fusion, dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float
) -> None:
    fused = fuse(fusion, dense, sparse, weight)
    assert fused.keys() == dense.keys() | sparse.keys()
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in fused.values())


@both
@given(COSINES)
def test_one_ranking_alone_keeps_its_order(fusion: Fusion, dense: dict[ChunkKey, float]) -> None:
    """Whatever the weight: what did not run has no say."""
    order = ranked(fuse(fusion, dense, {}, 0.3))
    scores = [dense[key] for key in order]
    assert scores == sorted(scores, reverse=True)
    words = {key: score + 1.001 for key, score in dense.items()}
    assert [words[key] for key in ranked(fuse(fusion, {}, words, 0.3))] == sorted(
        words.values(), reverse=True
    )


@both
@given(COSINES, BM25S, WEIGHTS)
def test_the_best_of_both_rankings_comes_first(
    fusion: Fusion, dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float
) -> None:
    dense[D], sparse[D] = 1.5, 60.0
    fused = fuse(fusion, dense, sparse, weight)
    assert max(fused.values()) == pytest.approx(fused[D])


@both
@given(COSINES, BM25S, WEIGHTS)
def test_the_order_does_not_depend_on_the_order_of_hits(
    fusion: Fusion, dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float
) -> None:
    backwards = fuse(fusion, dict(reversed(dense.items())), dict(reversed(sparse.items())), weight)
    assert ranked(fuse(fusion, dense, sparse, weight)) == ranked(backwards)


@given(COSINES, BM25S, WEIGHTS, st.floats(0.1, 10), st.floats(-5, 5))
def test_min_max_does_not_see_the_scale_of_an_embedder(
    dense: dict[ChunkKey, float], sparse: dict[ChunkKey, float], weight: float, factor: float, offset: float
) -> None:
    """As long as its cosine of unrelated texts is known."""
    moved = {key: score * factor + offset for key, score in dense.items()}
    plain = fuse(MinMax, dense, sparse, weight, 0.1)
    changed = fuse(MinMax, moved, sparse, weight, 0.1 * factor + offset)
    spread = max(dense.values(), default=0) - min([0.1, *dense.values()])
    if spread > 1e-3:
        assert changed == {key: pytest.approx(value, abs=1e-6) for key, value in plain.items()}


def test_contenders_are_those_whose_missing_score_could_bring_them_up() -> None:
    dense = {A: 0.9, B: 0.8, C: 0.4}
    sparse = {A: 9.0, D: 8.0, B: 1.0}
    # A is the best whatever the others get; next is B, unless its meaning brings up D; no word brings up C.
    assert MinMax(dense, sparse, Balance(0.5)).contenders(1) == {A}
    assert MinMax(dense, sparse, Balance(0.5)).contenders(2) == {A, B, D}
    assert MinMax(dense, sparse, Balance(0.5)).contenders(4) == {A, B, C, D}
    assert ReciprocalRank(dense, sparse, Balance(0.5)).contenders(1) == {A, B, C, D}


@both
@given(
    st.lists(st.tuples(st.integers(-200, 1000), st.integers(0, 50)), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(1, 12),
    WEIGHTS,
    st.floats(-0.2, 0.7),
)
def test_the_best_are_the_same_as_if_all_scores_were_known(
    fusion: Fusion,
    scores: list[tuple[int, int]],
    depth: int,
    best: int,
    weight: float,
    unrelated: float,
) -> None:
    """Each index finds its `depth` best; the other score is found out for contenders alone."""
    all_dense = {ChunkKey("a", i): dense / 1000 for i, (dense, _) in enumerate(scores)}
    all_sparse = {ChunkKey("a", i): sparse / 10 for i, (_, sparse) in enumerate(scores) if sparse}
    dense, sparse = (
        {key: one[key] for key in sorted(one, key=lambda key: (-one[key], key))[:depth]}
        for one in (all_dense, all_sparse)
    )
    fuser = fusion(dense, sparse, Balance(weight, unrelated))
    contenders = fuser.contenders(best)

    def known(scores: dict[ChunkKey, float], found: dict[ChunkKey, float], asked: Set[ChunkKey]) -> Hits:
        return found | {key: scores[key] for key in asked if key in scores}

    found = dense.keys() | sparse.keys()
    some = fuser.fuse(known(all_dense, dense, contenders), known(all_sparse, sparse, contenders))
    every = fuser.fuse(known(all_dense, dense, found), known(all_sparse, sparse, found))
    first = ranked(some)[:best]
    assert set(first) <= contenders
    assert [every[key] for key in first] == [pytest.approx(every[key]) for key in ranked(every)[:best]]
    assert [some[key] for key in first] == [every[key] for key in first]


def test_equals_stand_in_the_order_of_their_keys() -> None:
    assert ranked({C: 0.5, A: 0.5, B: 0.7, D: 0.5}) == [B, A, C, D]
