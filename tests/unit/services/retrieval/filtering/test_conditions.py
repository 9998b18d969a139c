"""Filters decide by value and type, look into lists, and negation turns exactly the result round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.filtering.conditions import (
    AnyOf,
    Condition,
    Equals,
    Exists,
    Filter,
    NumberRange,
    Test,
    TimeRange,
    named_values,
    predicate,
)
from services.retrieval.model import DocumentType, Json
from tests.contract.retrieval_samples import NOW, record

METADATA: dict[str, Json] = {
    "word": "alpha",
    "whole": 7,
    "fraction": 2.5,
    "yes": True,
    "list": ["a", 3, True, None],
    "nested": {"deep": {"x": "y"}, "list": [1, 2]},
    "empty_text": "",
    "empty_list": [],
    "empty_object": {},
    "null": None,
    "day": "2026-05-01",
    "moment": "2026-05-01T13:30:00+02:00",
    "zero": 0,
    "no": False,
}


def holds(field: str, test: Test, negate: bool = False) -> bool:
    document = record(1, metadata=METADATA, language="de")  # type: ignore[arg-type]  # JSON
    return predicate(Filter((Condition(field, test, negate),)))(document)


@pytest.mark.parametrize(
    ("field", "test", "expected"),
    [
        ("metadata.word", Equals("alpha"), True),
        ("metadata.word", Equals("Alpha"), False),
        ("metadata.whole", Equals(7), True),
        ("metadata.whole", Equals("7"), False),
        ("metadata.yes", Equals(True), True),
        ("metadata.yes", Equals(1), False),
        ("metadata.no", Equals(0), False),
        ("metadata.zero", Equals(False), False),
        ("metadata.list", Equals("a"), True),
        ("metadata.list", AnyOf(("z", 3)), True),
        ("metadata.list", AnyOf(("z", 1)), False),
        ("metadata.nested.deep.x", Equals("y"), True),
        ("metadata.nested.deep", Equals("y"), False),
        ("metadata.nested.list", Equals(2), True),
        ("metadata.word.deeper", Equals("alpha"), False),
        ("metadata.null", Equals("null"), False),
        ("metadata.fraction", NumberRange(gt=2, lt=3), True),
        ("metadata.fraction", NumberRange(gte=2.5, lte=2.5), True),
        ("metadata.fraction", NumberRange(gt=2.5), False),
        ("metadata.fraction", NumberRange(lt=2.5), False),
        ("metadata.yes", NumberRange(gte=0), False),
        ("metadata.word", NumberRange(gte=0), False),
        ("metadata.nested.list", NumberRange(gte=0), False),
        ("metadata.day", TimeRange(start=datetime(2026, 5, 1, tzinfo=UTC)), True),
        ("metadata.day", TimeRange(end=datetime(2026, 5, 1, tzinfo=UTC)), False),
        ("metadata.moment", TimeRange(end=datetime(2026, 5, 1, 11, 30, 1, tzinfo=UTC)), True),
        ("metadata.moment", TimeRange(start=datetime(2026, 5, 1, 11, 30, 1, tzinfo=UTC)), False),
        ("metadata.word", TimeRange(start=datetime(1970, 1, 1, tzinfo=UTC)), False),
        ("metadata.whole", TimeRange(start=datetime(1970, 1, 1, tzinfo=UTC)), False),
        ("metadata.zero", Exists(True), True),
        ("metadata.no", Exists(True), True),
        ("metadata.null", Exists(True), False),
        ("metadata.empty_text", Exists(True), False),
        ("metadata.empty_list", Exists(True), False),
        ("metadata.empty_object", Exists(False), True),
        ("metadata.nothing", Exists(False), True),
        ("metadata.nothing", Equals("x"), False),
        ("document_id", Equals("00000000-0000-5000-8000-000000000001"), True),
        ("source", AnyOf(("x", "folder/1.txt")), True),
        ("filename", Equals("1.txt"), True),
        ("type", Equals("text"), True),
        ("type", AnyOf(("pdf", "html")), False),
        ("title", Equals("Title"), True),
        ("language", AnyOf(("fr", "de")), True),
        ("size_bytes", NumberRange(gte=100, lt=101), True),
        ("size_bytes", Equals(100), True),
        ("page_count", NumberRange(gt=2), False),
        ("page_count", Exists(True), True),
        ("update_time", TimeRange(start=NOW, end=NOW + timedelta(seconds=2)), True),
        ("create_time", TimeRange(start=NOW, end=NOW + timedelta(seconds=2)), True),
        ("create_time", TimeRange(end=NOW + timedelta(seconds=1)), False),
    ],
)
def test_a_condition_decides_and_its_negation_decides_the_opposite(
    field: str, test: Test, expected: bool
) -> None:
    assert holds(field, test) is expected
    assert holds(field, test, negate=True) is not expected


def test_a_type_that_is_not_known_is_absent() -> None:
    document = record(1)
    assert document.live is not None
    live = replace(document.live, description=replace(document.live.description, type=None))
    untyped = replace(document, live=live)
    assert predicate(Filter((Condition("type", Exists(False)),)))(untyped)
    assert not predicate(Filter((Condition("type", AnyOf(tuple(DocumentType))),)))(untyped)


def test_what_a_version_does_not_have_is_absent() -> None:
    live = record(1).live
    assert live is not None
    bare = replace(record(1), live=replace(live, title="", language="", page_count=0))
    for document in (bare, record(2, live=False)):
        for field in ("title", "language", "page_count"):
            assert predicate(Filter((Condition(field, Exists(False)),)))(document)


SCALARS = st.one_of(st.text(max_size=5), st.integers(-(2**53), 2**53), st.booleans())


@given(st.lists(SCALARS, max_size=4), SCALARS)
def test_any_of_one_value_is_equals_and_a_list_passes_by_its_elements(
    values: list[Json], wanted: Json
) -> None:
    assert isinstance(wanted, str | int)
    document = record(1, metadata={"list": values})
    one = predicate(Filter((Condition("metadata.list", Equals(wanted)),)))(document)
    any_of = predicate(Filter((Condition("metadata.list", AnyOf((wanted,))),)))(document)
    elements = [
        predicate(Filter((Condition("metadata.x", Equals(wanted)),)))(record(1, metadata={"x": value}))
        for value in values
    ]
    assert one == any_of == any(elements)


@given(st.lists(st.sampled_from(["word", "whole", "nothing"]), max_size=4), st.booleans())
def test_all_conditions_must_hold(fields: list[str], negate: bool) -> None:
    conditions = tuple(Condition(f"metadata.{field}", Exists(True), negate) for field in fields)
    document = record(1, metadata=METADATA)  # type: ignore[arg-type]  # JSON
    alone = [predicate(Filter((condition,)))(document) for condition in conditions]
    assert predicate(Filter(conditions))(document) == all(alone)


def test_named_values_are_those_a_document_must_have() -> None:
    ids = Condition("document_id", AnyOf(("a", "b")))
    assert named_values(Filter((ids,)), "document_id") == {"a", "b"}
    assert named_values(Filter((Condition("source", Equals("s")), ids)), "document_id") == {"a", "b"}
    assert named_values(Filter((replace(ids, negate=True),)), "document_id") is None
    assert named_values(Filter((Condition("document_id", Exists(True)),)), "document_id") is None
    assert not Filter()
