"""Stems and roots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.language.stemming import root, stem


@pytest.mark.parametrize(
    "forms",
    [
        "locate located locates locating",
        "carry carried carries",
        "stop stopped stopping",
        "box boxes",
        "agree agreed",
        "quick quickly",
    ],
)
def test_inflected_forms_share_a_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    "forms", ["invent invention inventor", "establish establishment", "nation national", "possible possibly"]
)
def test_derived_forms_share_a_root(forms: str) -> None:
    assert len({root(stem(form)) for form in forms.split()}) == 1


@pytest.mark.parametrize("word", ["bus", "class", "the", "1990", "東京", "straße", "news"])
def test_short_and_foreign_words_keep_their_core(word: str) -> None:
    assert stem(word).startswith(word[:3])


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_a_stem_is_never_empty_and_a_root_is_at_most_seven_letters(word: str) -> None:
    assert stem(word)
    assert 1 <= len(root(stem(word))) <= 7
