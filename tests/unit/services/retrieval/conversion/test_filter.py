"""Filters of the contract become the domain's, or each fault is named by its path."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import struct_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1 import filter_pb2
from libs.errors import DocuQueryError, Violations
from services.retrieval.conversion.filter import filter_from_proto, has_only_finite_numbers, json_from_struct
from services.retrieval.filtering.conditions import (
    AnyOf,
    Condition,
    Equals,
    Exists,
    Filter,
    NumberRange,
    TimeRange,
)
from services.retrieval.model import Json
from tests.rpc.retrieval_support import where


def converted(message: filter_pb2.Filter) -> Filter:
    faults = Violations()
    wanted = filter_from_proto(message, faults)
    faults.raise_if_any()
    return wanted


def stamp(year: int) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(datetime(year, 1, 1, tzinfo=UTC))
    return message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (where("metadata.a.b", equals="x"), Condition("metadata.a.b", Equals("x"))),
        (where("metadata.a", equals=3, negate=True), Condition("metadata.a", Equals(3), negate=True)),
        (where("metadata.a", equals=True), Condition("metadata.a", Equals(True))),
        (where("metadata.a", any_of=["x", 4]), Condition("metadata.a", AnyOf(("x", 4)))),
        (where("type", any_of=["pdf", "html"]), Condition("type", AnyOf(("pdf", "html")))),
        (
            where("metadata.a", number=filter_pb2.NumberRange(gte=1.5, lt=math.inf)),
            Condition("metadata.a", NumberRange(gte=1.5, lt=math.inf)),
        ),
        (
            where("create_time", time=filter_pb2.TimeRange(start=stamp(2024))),
            Condition("create_time", TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC))),
        ),
        (where("source", exists=False), Condition("source", Exists(False))),
        (where("language", equals="German"), Condition("language", Equals("de"))),
        (where("language", any_of=["de-CH", "fr"]), Condition("language", AnyOf(("de", "fr")))),
        (where("page_count", equals=3), Condition("page_count", Equals(3))),
        (
            where("size_bytes", number=filter_pb2.NumberRange(gt=9)),
            Condition("size_bytes", NumberRange(gt=9)),
        ),
        (
            where("update_time", time=filter_pb2.TimeRange(end=stamp(2024))),
            Condition("update_time", TimeRange(end=datetime(2024, 1, 1, tzinfo=UTC))),
        ),
    ],
)
def test_a_valid_condition_is_taken_over(message: filter_pb2.Filter, expected: Condition) -> None:
    assert converted(message) == Filter((expected,))


def test_no_condition_keeps_everything() -> None:
    assert not converted(filter_pb2.Filter())


FRACTION, TIMES = filter_pb2.NumberRange, filter_pb2.TimeRange


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (where("size", equals=1), ".field"),
        (where("", equals=1), ".field"),
        (where("metadata", equals=1), ".field"),
        (where("metadata.", equals=1), ".field"),
        (where("metadata.a..b", equals=1), ".field"),
        (where("metadata." + "a" * 200, equals=1), ".field"),
        (where("metadata.a"), ""),
        (where("metadata.a", equals=1.5), ".equals"),
        (where("metadata.a", equals=None), ".equals"),
        (where("metadata.a", equals=["x"]), ".equals"),
        (where("metadata.a", equals={"x": 1}), ".equals"),
        (where("metadata.a", equals=math.nan), ".equals"),
        (where("metadata.a", any_of=[]), ".any_of"),
        (where("metadata.a", any_of=["x"] * 101), ".any_of"),
        (where("metadata.a", any_of=["x", True]), ".any_of[1]"),
        (where("type", equals="odt"), ".equals"),
        (where("source", equals=7), ".equals"),
        (where("document_id", equals="7"), ".equals"),
        (where("document_id", equals="AAAAAAAA-0000-5000-8000-000000000000"), ".equals"),
        (where("filename", number=FRACTION(gt=1)), ".number"),
        (where("title", equals=7), ".equals"),
        (where("language", equals="deutsch"), ".equals"),
        (where("language", any_of=["de", "xx"]), ".any_of[1]"),
        (where("page_count", equals="3"), ".equals"),
        (where("page_count", equals=True), ".equals"),
        (where("page_count", time=TIMES(start=stamp(2024))), ".time"),
        (where("update_time", number=FRACTION(gt=1)), ".number"),
        (where("create_time", equals="2024-01-01"), ".equals"),
        (where("metadata.a", number=FRACTION()), ".number"),
        (where("metadata.a", number=FRACTION(gt=math.nan)), ".number"),
        (where("metadata.a", time=TIMES()), ".time"),
        (where("metadata.a", time=TIMES(start=stamp(2025), end=stamp(2024))), ".time"),
        (where("metadata.a", time=TIMES(start=Timestamp(seconds=2**60))), ".time.start"),
    ],
)
def test_a_condition_that_is_not_valid_names_its_place(message: filter_pb2.Filter, field: str) -> None:
    with pytest.raises(DocuQueryError) as caught:
        converted(message)
    assert caught.value.reason_name == "INVALID_REQUEST"
    assert [violation.field for violation in caught.value.violations] == ["filter.conditions[0]" + field]


def test_all_faults_are_named_and_conditions_are_counted() -> None:
    bad = where("nothing", equals=1).conditions[0]
    with pytest.raises(DocuQueryError) as caught:
        converted(filter_pb2.Filter(conditions=[bad] * 17))
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["filter.conditions", *(f"filter.conditions[{i}].field" for i in range(17))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_metadata_survives_the_struct_it_comes_in(metadata: dict[str, Any]) -> None:
    """Whole numbers come back whole, although a Struct holds floats."""
    struct = struct_pb2.Struct()
    struct.update(metadata)
    back = json_from_struct(struct)
    assert back == metadata
    assert repr(sorted(back)) == repr(sorted(metadata))
    assert has_only_finite_numbers(back)


@pytest.mark.parametrize("value", [math.nan, [1, math.inf], {"a": {"b": [-math.inf]}}])
def test_numbers_json_does_not_have_are_found(value: Json) -> None:
    assert not has_only_finite_numbers(value)
