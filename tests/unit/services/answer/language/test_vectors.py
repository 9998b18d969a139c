"""Static word vectors."""

from __future__ import annotations

import numpy as np
import pytest

from services.answer.language.vectors import PieceVectors


@pytest.fixture(scope="module")
def vectors() -> PieceVectors:
    return PieceVectors.load()


def test_each_word_has_a_vector_of_length_1_and_the_same_each_time(vectors: PieceVectors) -> None:
    first = vectors.rows(["ferry", "harbour", "ferry"])
    assert first.shape == (3, 256)
    assert np.linalg.norm(first, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(vectors.rows(["harbour"])[0], first[1])


def test_words_of_like_meaning_are_nearer_than_others(vectors: PieceVectors) -> None:
    rival, opponent, kettle = vectors.rows(["rival", "opponent", "kettle"])
    assert rival @ opponent > 0.3 > rival @ kettle


def test_more_words_than_are_remembered_are_no_trouble(vectors: PieceVectors) -> None:
    many = [f"word{number}" for number in range(8_200)]
    expected = vectors.rows(many[:1])
    assert np.array_equal(vectors.rows(many)[:1], expected)
    for start in range(0, len(many), 4_100):
        vectors.rows(many[start : start + 4_100])
    assert np.array_equal(vectors.rows(many[:1]), expected)


def test_nothing_is_asked_of_nothing(vectors: PieceVectors) -> None:
    assert vectors.rows([]).shape == (0, 256)
    assert not vectors.rows([""]).any()
