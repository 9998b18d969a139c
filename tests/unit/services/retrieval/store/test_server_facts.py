"""Facts: what the server finds by them is never less than what passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.filters import (
    BUILT_IN_FIELDS,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Filter,
    NumberRange,
    predicate,
)
from services.retrieval.store.server_facts import facts_of, required_facts
from tests.contract.retrieval_samples import record

scalars = st.one_of(
    st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, -0.0]), st.sampled_from("ab")
)
keys = st.sampled_from(["a", "b", "a.b"])
values = st.recursive(
    st.one_of(scalars, st.none(), st.just("")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=2)),
    max_leaves=6,
)
metadata = st.dictionaries(keys, values, max_size=3)
fields = st.sampled_from(["metadata.a", "metadata.b", "metadata.a.b", *BUILT_IN_FIELDS[1:4]])
tests = st.one_of(
    st.builds(Equals, scalars),
    st.builds(AnyOf, st.lists(scalars, min_size=1, max_size=3).map(tuple)),
    st.builds(Exists, st.booleans()),
    st.builds(NumberRange, gte=st.integers(-3, 3).map(float)),
)
filters = st.lists(st.builds(Condition, fields, tests, st.booleans()), max_size=3).map(
    lambda conditions: Filter(tuple(conditions))
)


@given(metadata=metadata, wanted=filters)
def test_a_record_that_passes_has_a_fact_of_every_group(metadata: dict[str, object], wanted: Filter) -> None:
    stored = record(1, metadata=metadata)
    facts = set(facts_of(stored))
    if predicate(wanted)(stored):
        assert all(facts & set(group) for group in required_facts(wanted))


def test_a_record_that_does_not_pass_usually_has_not() -> None:
    """Types count, list elements count alone, built-in fields are facts as well."""
    facts = set(facts_of(record(1, metadata={"year": 2024, "tags": ["x", "y"], "deep": {"er": True}})))

    def may_pass(field: str, value: str | int | bool) -> bool:
        (group,) = required_facts(Filter((Condition(field, Equals(value)),)))
        return bool(facts & set(group))

    assert may_pass("metadata.year", 2024)
    assert not may_pass("metadata.year", "2024")
    assert not may_pass("metadata.year", 2025)
    assert may_pass("metadata.tags", "y")
    assert may_pass("metadata.deep.er", True)
    assert not may_pass("metadata.deep.er", 1)
    assert may_pass("source", "folder/1.txt")
    assert may_pass("type", "text")
    assert not may_pass("type", "pdf")


def test_conditions_without_a_value_need_no_fact() -> None:
    for condition in (
        Condition("metadata.a", Equals(1), negate=True),
        Condition("metadata.a", Exists(False)),
        Condition("metadata.a", NumberRange(gte=1.0)),
    ):
        assert required_facts(Filter((condition,))) == []
