"""Texts are cut into requests that a server takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.embedders.texts import batches, estimated_tokens, refuse_blank


@given(st.lists(st.text(max_size=60), max_size=40), st.integers(1, 10), st.integers(1, 60))
def test_batches_cover_all_texts_in_order_within_both_limits(
    texts: list[str], max_texts: int, max_tokens: int
) -> None:
    parts = [texts[part] for part in batches(texts, max_texts=max_texts, max_tokens=max_tokens)]
    assert [text for part in parts for text in part] == texts
    for part in parts:
        assert 1 <= len(part) <= max_texts
        assert len(part) == 1 or sum(map(estimated_tokens, part)) <= max_tokens


@pytest.mark.parametrize(
    ("text", "least", "most"), [("a", 1, 1), ("word " * 100, 100, 200), ("漢字" * 50, 70, 150)]
)
def test_tokens_are_estimated_rather_high(text: str, least: int, most: int) -> None:
    assert least <= estimated_tokens(text) <= most


def test_one_blank_text_among_others_is_refused() -> None:
    refuse_blank(["fine"])
    with pytest.raises(ValueError, match="blank"):
        refuse_blank(["fine", "\u2003"])
