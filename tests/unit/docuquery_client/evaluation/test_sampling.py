"""Which questions are asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.evaluation.sampling import Part

ALL = tuple(range(100))


def test_by_itself_it_is_all_of_them() -> None:
    assert Part().of(ALL) == ALL


def test_the_first_and_a_sample_of_those() -> None:
    assert Part(first=3).of(ALL) == (0, 1, 2)
    assert set(Part(first=10, sample=4).of(ALL)) < set(range(10))
    assert Part(first=10, sample=40).of(ALL) == ALL[:10]


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    assert Part(sample=20, seed=7).of(ALL) == Part(sample=20, seed=7).of(ALL)
    assert Part(sample=20, seed=7).of(ALL) != Part(sample=20, seed=8).of(ALL)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 1000))
def test_a_larger_sample_holds_the_smaller_and_keeps_the_order(one: int, other: int, seed: int) -> None:
    small, large = sorted((one, other))
    drawn = Part(sample=large, seed=seed).of(ALL)
    assert set(Part(sample=small, seed=seed).of(ALL)) <= set(drawn)
    assert list(drawn) == sorted(set(drawn))
    assert len(drawn) == large
