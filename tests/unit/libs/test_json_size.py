"""The size of metadata as JSON is judged right, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from libs.json_size import fits_as_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=8),
    max_leaves=60,
)


@given(st.dictionaries(st.text(max_size=3), PLAIN, max_size=8), st.integers(0, 400))
def test_it_fits_exactly_when_its_json_does(plain: dict[str, Any], room: int) -> None:
    value = Struct()
    value.update(plain)
    size = len(MessageToJson(value, indent=None, ensure_ascii=False).encode())
    assert fits_as_json(value, room) == (size <= room)
    assert fits_as_json(value, size)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_no_json(number: float) -> None:
    with pytest.raises(ValueError, match=r"Infinity|NaN"):
        fits_as_json(Struct(fields={"k": Value(number_value=number)}), 100)


@pytest.mark.parametrize(
    "item", [Value(number_value=1), Value(string_value=""), Value(list_value=ListValue())]
)
def test_what_shrinks_most_is_not_taken_for_too_large(item: Value) -> None:
    value = Struct(fields={"": Value(list_value=ListValue(values=[item] * 3000))})
    size = len(MessageToJson(value, indent=None, ensure_ascii=False).encode())
    assert fits_as_json(value, size)
    assert not fits_as_json(value, size - 1)
