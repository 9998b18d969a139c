"""The fields of a record that conditions are translated to, and the translation.

What is named (equality, any-of, exists) is looked for among the record's facts; ranges over built-in fields
and over those the operator declared have an indexed field each. A record says by what revision and what
declared fields its own were written (`indexed_as`): of others nothing is concluded, they are read and judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from qdrant_client import grpc as q

from services.retrieval.filtering.conditions import (
    NUMBER_FIELDS,
    TIME_FIELDS,
    Condition,
    Filter,
    NumberRange,
    TimeRange,
    as_number,
    as_time,
    reader,
)
from services.retrieval.filtering.fields import FieldKind, FilterField
from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import Payload, to_microseconds
from services.retrieval.store.server.connection.points import KIND_RECORD, has_one_of, has_text, within
from services.retrieval.store.server.documents.facts import REVISION, facts_of, named_facts

_BUILT_IN = (
    *(FilterField(name, FieldKind.NUMBER) for name in NUMBER_FIELDS),
    *(FilterField(name, FieldKind.TIME) for name in TIME_FIELDS),
)


@dataclass(frozen=True, slots=True)
class Translation:
    """A filter for the engine."""

    may_pass: q.Filter
    """Records whose fields are up to date, without those known not to pass."""
    is_exact: bool
    """Whether all of these pass."""


class RecordIndex:
    """The indexed fields of records, with those declared by the operator."""

    def __init__(self, declared: Iterable[FilterField] = ()) -> None:
        self._fields = {field.name: field for field in (*_BUILT_IN, *declared)}
        signature = "\n".join(f"{field.name}:{field.kind}" for field in self._fields.values())
        digest = hashlib.blake2b(signature.encode(), digest_size=6).hexdigest()
        self.name = f"{REVISION}-{digest}"
        """What `indexed_as` is of records written by this index."""

    @property
    def keys(self) -> tuple[tuple[str, FieldKind], ...]:
        """The payload keys of ranges, and what they hold."""
        return tuple((_key(field), field.kind) for field in self._fields.values())

    def payload(self, record: DocumentRecord) -> Payload:
        """What conditions look at."""
        payload: Payload = {"facts": facts_of(record), "indexed_as": self.name}
        for field in self._fields.values():
            value = reader(field.name)(record)
            if field.kind is FieldKind.NUMBER and (number := as_number(value)) is not None:
                payload[_key(field)] = number
            if field.kind is FieldKind.TIME and (moment := as_time(value)) is not None:
                payload[_key(field)] = to_microseconds(moment)
        return payload

    def translated(self, tenant: str, wanted: Filter) -> Translation:
        """The filter over a tenant's records."""
        must = [has_text("tenant", tenant), has_text("kind", KIND_RECORD)]
        must_not: list[q.Condition] = []
        is_exact = True
        for condition in wanted.conditions:
            found = self._condition(condition)
            if found is None:
                is_exact = False
            else:
                (must_not if _is_negated(condition) else must).append(found)
        if wanted:
            must.append(has_text("indexed_as", self.name))
        return Translation(q.Filter(must=must, must_not=must_not), is_exact)

    def out_of_date(self, *conditions: q.Condition) -> q.Filter:
        """Records of which nothing is concluded."""
        return q.Filter(
            must=[has_text("kind", KIND_RECORD), *conditions], must_not=[has_text("indexed_as", self.name)]
        )

    def _condition(self, condition: Condition) -> q.Condition | None:
        """The condition's test without its negation; None when it cannot be told here."""
        facts = named_facts(condition)
        if facts is not None:
            return has_one_of("facts", facts)
        field = self._fields.get(condition.field)
        match condition.test:
            case NumberRange() as test if field and field.kind is FieldKind.NUMBER:
                bounds = {"gte": test.gte, "gt": test.gt, "lte": test.lte, "lt": test.lt}
                return within(_key(field), **{name: b for name, b in bounds.items() if b is not None})
            case TimeRange(start, end) if field and field.kind is FieldKind.TIME:
                times = {"gte": start, "lt": end}
                return within(
                    _key(field), **{n: to_microseconds(t) for n, t in times.items() if t is not None}
                )
        return None


def _is_negated(condition: Condition) -> bool:
    """`exists: false` is told by the fact of what exists."""
    wants_absence = getattr(condition.test, "wanted", True) is False
    return condition.negate is not wants_absence


def _key(field: FilterField) -> str:
    """A payload key without the signs that mean something in one."""
    if field.name == "create_time":
        return field.name  # also what listings are sorted by
    return f"{field.kind}_{hashlib.blake2b(field.name.encode(), digest_size=6).hexdigest()}"
