"""Filters and metadata from plain values and from `key=value` text."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.filters import filter_from_pairs, metadata_from_pairs, parse_scalar, to_struct, where


def test_where_makes_one_condition_for_each_field() -> None:
    made = MessageToDict(where(type="pdf", year=2024, active=True, team=["hr", "legal"], score=0.5))
    assert made["conditions"] == [
        {"field": "type", "equals": "pdf"},
        {"field": "metadata.year", "equals": 2024.0},
        {"field": "metadata.active", "equals": True},
        {"field": "metadata.team", "anyOf": ["hr", "legal"]},
        {"field": "metadata.score", "number": {"gte": 0.5, "lte": 0.5}},
    ]


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="team: an empty list"):
        where(team=[])


def test_pairs_with_one_key_mean_either_value() -> None:
    made = MessageToDict(filter_from_pairs(["source=a=b", "year=2024", "year=2025", "metadata.x.y=z"]))
    assert made["conditions"] == [
        {"field": "source", "equals": "a=b"},
        {"field": "metadata.year", "anyOf": [2024.0, 2025.0]},
        {"field": "metadata.x.y", "equals": "z"},
    ]


def test_signs_leave_out_and_make_ranges() -> None:
    texts = ["team!=hr", "year>=2024", "cost<10.5", "page_count > 3", "size_bytes<=9", "due>=2024-05-01",
             "create_time<2024-05-01T12:00:00+02:00"]  # fmt: skip
    assert MessageToDict(filter_from_pairs(texts))["conditions"] == [
        {"field": "metadata.team", "equals": "hr", "negate": True},
        {"field": "metadata.year", "number": {"gte": 2024.0}},
        {"field": "metadata.cost", "number": {"lt": 10.5}},
        {"field": "page_count", "number": {"gt": 3.0}},
        {"field": "size_bytes", "number": {"lte": 9.0}},
        {"field": "metadata.due", "time": {"start": "2024-05-01T00:00:00Z"}},
        {"field": "create_time", "time": {"end": "2024-05-01T10:00:00Z"}},
    ]


@pytest.mark.parametrize(
    ("text", "says"), [("year>=soon", "neither"), ("due>2024-05-01", "before"), ("due<=2024-05-01", "from")]
)
def test_a_range_that_cannot_be_meant_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        filter_from_pairs([text])


@pytest.mark.parametrize("text", ["year", "=2024", " =x", ""])
def test_a_text_that_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form key=value"):
        filter_from_pairs([text])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("007", "007"),
        ("1.50", 1.5),
        ("1e5", "1e5"),
        (".5", ".5"),
        ('"2024"', "2024"),
        ('"half', '"half'),
        ('"', '"'),
        ('"a"b"', '"a"b"'),
        ("123456789012345678", "123456789012345678"),
        ("9" * 6000, "9" * 6000),
        ("", ""),
        ("a b", "a b"),
    ],
)
def test_a_value_becomes_what_it_says(text: str, value: object) -> None:
    parsed = parse_scalar(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1))
def test_whole_numbers_survive_the_trip_into_a_struct(number: int) -> None:
    struct = to_struct({"n": parse_scalar(str(number))})
    assert struct["n"] == number


@given(st.text())
def test_every_text_can_be_given_in_json_quotes(text: str) -> None:
    import json

    assert parse_scalar(json.dumps(text)) == text


def test_dots_in_metadata_keys_nest_as_filters_read_them() -> None:
    assert metadata_from_pairs(["a.b=1", "a.c=x", "d="]) == {"a": {"b": 1, "c": "x"}, "d": ""}


@pytest.mark.parametrize("pairs", [["a=1", "a.b=2"], ["a=1", "a=2"], ["a.b=1", "a=2"]])
def test_metadata_keys_that_contradict_each_other_are_refused(pairs: list[str]) -> None:
    with pytest.raises(ValueError, match=r"twice|already"):
        metadata_from_pairs(pairs)
