"""Conditions as the server sees them: what it finds by a translation is what passes, or more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc as q

from services.retrieval.filtering.conditions import (
    BUILT_IN_FIELDS,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Filter,
    NumberRange,
    Test,
    TimeRange,
    predicate,
)
from services.retrieval.filtering.fields import FieldKind, FilterField, parse_filter_fields
from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import Payload
from services.retrieval.store.server.documents.index import RecordIndex
from tests.contract.retrieval_samples import NOW, record

INDEX = RecordIndex(parse_filter_fields("a:number,b:time,a.b:number"))

scalars = st.one_of(
    st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, -0.0]), st.sampled_from(["a", "2026-05-01"])
)
keys = st.sampled_from(["a", "b", "a.b"])
values = st.recursive(
    st.one_of(scalars, st.none(), st.just("")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=2)),
    max_leaves=6,
)
metadata = st.dictionaries(keys, values, max_size=3)
fields = st.sampled_from(["metadata.a", "metadata.b", "metadata.c", "metadata.a.b", *BUILT_IN_FIELDS])
moments = st.sampled_from([datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2)])
tests = st.one_of(
    st.builds(Equals, scalars),
    st.builds(AnyOf, st.lists(scalars, min_size=1, max_size=3).map(tuple)),
    st.builds(Exists, st.booleans()),
    st.builds(NumberRange, gte=st.integers(-3, 3).map(float)),
    st.builds(NumberRange, gt=st.just(-1.0), lt=st.integers(-3, 3).map(float)),
    st.builds(TimeRange, moments),
    st.builds(TimeRange, st.none(), moments),
)
filters = st.lists(st.builds(Condition, fields, tests, st.booleans()), max_size=3).map(
    lambda conditions: Filter(tuple(conditions))
)


def finds(wanted: q.Filter, payload: Payload) -> bool:
    """As the engine evaluates what the index makes use of."""
    return all(_holds(c, payload) for c in wanted.must) and not any(
        _holds(c, payload) for c in wanted.must_not
    )


def _holds(condition: q.Condition, payload: Payload) -> bool:
    test = condition.field
    value = payload.get(test.key)
    if test.HasField("range"):
        bounds = {field.name: bound for field, bound in test.range.ListFields()} | {
            name: getattr(test.range, name)
            for name in ("gte", "gt", "lte", "lt")
            if test.range.HasField(name)
        }
        return isinstance(value, int | float) and NumberRange(**bounds).holds(value)
    wanted = {test.match.keyword} if test.match.HasField("keyword") else {*test.match.keywords.strings}
    return bool(wanted & {*(value if isinstance(value, list) else [value])})


def stored(item: DocumentRecord, index: RecordIndex = INDEX) -> Payload:
    return {"tenant": "acme", "kind": "record", **index.payload(item)}


@given(metadata=metadata, wanted=filters, language=st.sampled_from(["", "de"]))
def test_what_passes_is_found_and_an_exact_translation_finds_nothing_else(
    metadata: dict[str, object], wanted: Filter, language: str
) -> None:
    item = record(1, metadata=metadata, language=language)
    translation = INDEX.translated("acme", wanted)
    passes, found = predicate(wanted)(item), finds(translation.may_pass, stored(item))
    assert found or not passes
    if translation.is_exact:
        assert found == passes


@pytest.mark.parametrize(
    ("field", "test", "exact"),
    [
        ("metadata.any", Equals("x"), True),
        ("metadata.any", AnyOf((1, "x")), True),
        ("metadata.any", Exists(False), True),
        ("metadata.a", NumberRange(gte=1.0), True),
        ("metadata.a", TimeRange(NOW), False),
        ("metadata.any", NumberRange(gte=1.0), False),
        ("metadata.b", TimeRange(NOW), True),
        ("metadata.any", TimeRange(NOW), False),
        ("size_bytes", NumberRange(gte=1.0), True),
        ("page_count", NumberRange(gte=1.0), True),
        ("create_time", TimeRange(NOW), True),
        ("update_time", TimeRange(NOW), True),
        ("language", Equals("de"), True),
        ("title", Equals("T"), True),
    ],
)
def test_ranges_are_exact_over_built_in_and_declared_fields(field: str, test: Test, exact: bool) -> None:
    for negate in (False, True):
        wanted = Filter((Condition(field, test, negate),))
        assert INDEX.translated("acme", wanted).is_exact is exact


def test_nothing_is_concluded_of_a_record_whose_fields_were_written_otherwise() -> None:
    item = record(1, metadata={"a": 2})
    wanted = Filter((Condition("metadata.a", NumberRange(gte=1.0)),))
    for other in (RecordIndex(), RecordIndex(parse_filter_fields("a:time"))):
        assert other.name != INDEX.name
        assert not finds(INDEX.translated("acme", wanted).may_pass, stored(item, other))
        assert finds(INDEX.out_of_date(), stored(item, other))
    assert finds(INDEX.out_of_date(), {"kind": "record"}), "that of an older program"
    assert finds(INDEX.translated("acme", wanted).may_pass, stored(item))
    assert not finds(INDEX.out_of_date(), stored(item))


def test_no_condition_finds_every_record() -> None:
    translation = INDEX.translated("acme", Filter())
    assert finds(translation.may_pass, {"tenant": "acme", "kind": "record"})
    assert not finds(translation.may_pass, {"tenant": "globex", "kind": "record"})


def test_each_range_has_a_key_of_its_own() -> None:
    keys = [key for key, _ in INDEX.keys]
    assert len(keys) == len(set(keys)) == 7
    assert not any("." in key for key in keys)
    assert dict(INDEX.keys)["create_time"] is FieldKind.TIME


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" due:time , metadata.year:number", (("metadata.due", "time"), ("metadata.year", "number"))),
        ("a.b:number", (("metadata.a.b", "number"),)),
    ],
)
def test_fields_are_declared_by_name_and_kind(text: str, expected: tuple[tuple[str, str], ...]) -> None:
    assert parse_filter_fields(text) == tuple(FilterField(name, FieldKind(kind)) for name, kind in expected)


@pytest.mark.parametrize(
    "text",
    [
        "year",
        "year:text",
        ":number",
        "a..b:number",
        "year:number,metadata.year:time",
        ",".join(f"f{i}:time" for i in range(33)),
    ],
)
def test_a_declaration_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|twice"):
        parse_filter_fields(text)


def test_an_update_changes_what_is_found() -> None:
    item = record(1, metadata={"a": 2})
    assert item.live is not None
    changed = replace(
        item, live=replace(item.live, description=replace(item.live.description, metadata={"a": 0}))
    )
    wanted = INDEX.translated("acme", Filter((Condition("metadata.a", NumberRange(gte=1.0)),))).may_pass
    assert finds(wanted, stored(item))
    assert not finds(wanted, stored(changed))
