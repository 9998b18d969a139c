"""Byte offsets agree with encoding the text, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.text import ByteOffsets, utf8_length

any_text = st.text(alphabet=st.characters(exclude_categories=()), max_size=1200)


@given(any_text, st.data())
def test_a_position_is_the_length_of_what_stands_before_it(text: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(text)))
    assert ByteOffsets(text).at(index) == utf8_length(text[:index])


@pytest.mark.parametrize("index", [-1, 4])
def test_a_position_outside_the_text_is_refused(index: int) -> None:
    with pytest.raises(IndexError):
        ByteOffsets("añb").at(index)
