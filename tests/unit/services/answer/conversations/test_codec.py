"""A turn survives being written down."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.conversations.codec import decode, encode, fit
from services.answer.model import Outcome
from tests.unit.services.answer.support import turn

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.sampled_from(Outcome))
def test_what_is_written_is_read_again(question: str, answer: str, outcome: Outcome) -> None:
    told = replace(turn(question, answer), outcome=outcome)
    assert decode(encode(told)) == told


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b"1", encode(turn("x")).replace(b"OUTCOME", b"X")]
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a turn"):
        decode(data)


@given(st.text(), st.integers(min_value=0, max_value=400))
def test_an_answer_is_cut_to_what_fits_and_nothing_else_is(answer: str, room: int) -> None:
    whole = turn("Why?", answer)
    frame = len(encode(replace(whole, answer="")))
    cut = fit(whole, frame + room)
    assert len(encode(cut)) <= frame + room
    assert cut.question == "Why?"
    if len(encode(whole)) <= frame + room:
        assert cut == whole
