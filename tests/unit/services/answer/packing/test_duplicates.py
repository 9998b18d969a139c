"""A text goes in once, and nothing that differs is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.packing.duplicates import distinct
from tests.unit.services.answer.support import passage


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["one", "two", "one"], [0, 1]),
        (["One  more\nthing", "one more thing"], [0]),
        (["a longer text about one more thing", "one more thing"], [0]),
        (["one more thing", "two", "a longer text about one more thing here"], [2, 1]),
        (["one", "one two", "one two three"], [2]),
        (["one", "two", "one two"], [2]),
        (["The fee is 5 euros.", "The fee is 50 euros."], [0, 1]),
        (["limit 5", "limit 50"], [0, 1]),
        (["able", "unstable"], [0, 1]),
        (["保修期为", "保修期为二十四个月"], [0, 1]),
        (["", "x"], [1]),
    ],
)
def test_equal_and_contained_texts_are_dropped(texts: list[str], kept: list[int]) -> None:
    assert distinct([passage(text) for text in texts]) == kept


@given(st.lists(st.text("ab 5.", max_size=12), max_size=8))
def test_every_text_is_still_there(texts: list[str]) -> None:
    kept = distinct([passage(text) for text in texts])
    normal = [" ".join(text.split()) for text in texts]
    assert len(set(kept)) == len(kept)
    for text in normal:
        assert any(text in normal[index] for index in kept)
    for one in kept:
        assert not any(normal[one] == normal[other] for other in kept if other != one)
