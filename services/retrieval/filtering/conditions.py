"""Conditions on documents: what they are, and whether a document passes.

One evaluation for listings and searches, in Python over the records, so that every engine agrees to the
letter (lists, nested keys, times, negation). The store decides whether to hand the result, or a
translation of the conditions, to its engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from services.retrieval.model import DocumentRecord, Json

Scalar: TypeAlias = "str | int | float | bool"
Predicate: TypeAlias = Callable[[DocumentRecord], bool]

METADATA_PREFIX = "metadata."
TEXT_FIELDS = ("document_id", "source", "filename", "type", "title", "language")
NUMBER_FIELDS = ("size_bytes", "page_count")
TIME_FIELDS = ("create_time", "update_time")
BUILT_IN_FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS, *TIME_FIELDS)

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Equals:
    """The value, or one element of a list, is this one. Types count: "1", 1 and True all differ."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The value, or one element of a list, is one of these."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The value is a number within the bounds; None is no bound."""

    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None

    def holds(self, number: float) -> bool:
        """Whether `number` is within the bounds."""
        return (
            (self.gte is None or number >= self.gte)
            and (self.gt is None or number > self.gt)
            and (self.lte is None or number <= self.lte)
            and (self.lt is None or number < self.lt)
        )


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The value is a time in [start, end), both aware; None is no bound."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` (aware) is within the bounds."""
        return (self.start is None or moment >= self.start) and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Exists:
    """The value is there and not empty (`wanted`), or it is not. Empty: null, "", [] and {}."""

    wanted: bool


Test: TypeAlias = Equals | AnyOf | NumberRange | TimeRange | Exists


@dataclass(frozen=True, slots=True)
class Condition:
    """A test on a field: one of BUILT_IN_FIELDS, or `metadata.` and a path of keys joined by dots."""

    field: str
    test: Test
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Every condition must hold; none keeps everything. Hashable, so that results can be remembered."""

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)


def predicate(wanted: Filter) -> Predicate:
    """The filter as a function of a record."""
    tests = [_condition_predicate(condition) for condition in wanted.conditions]
    return lambda record: all(test(record) for test in tests)


def named_values(wanted: Filter, field: str) -> frozenset[Scalar] | None:
    """The values a passing document's `field` must be among, or None when the filter does not name them.

    Lets a store look documents up by id or source instead of walking all of them.
    """
    for condition in wanted.conditions:
        if condition.field == field and not condition.negate:
            if isinstance(condition.test, Equals):
                return frozenset((condition.test.value,))
            if isinstance(condition.test, AnyOf):
                return frozenset(condition.test.values)
    return None


def _condition_predicate(condition: Condition) -> Predicate:
    read = reader(condition.field)
    test = _value_test(condition.test)
    negate = condition.negate
    return lambda record: test(read(record)) is not negate


def reader(field: str) -> Callable[[DocumentRecord], object]:
    """What gets the value of `field` from a record; an object of no kind a test knows where it is absent."""
    if field.startswith(METADATA_PREFIX):
        keys = field.removeprefix(METADATA_PREFIX).split(".")
        return lambda record: _descend(record.description.metadata, keys)
    return _BUILT_IN[field]


_BUILT_IN: dict[str, Callable[[DocumentRecord], object]] = {
    "document_id": lambda record: record.document_id,
    "source": lambda record: record.source,
    "filename": lambda record: record.description.filename,
    "type": lambda record: record.description.type or _ABSENT,
    "title": lambda record: (record.live.title if record.live else "") or _ABSENT,
    "language": lambda record: (record.live.language if record.live else "") or _ABSENT,
    "size_bytes": lambda record: record.description.size_bytes,
    "page_count": lambda record: (record.live.page_count if record.live else 0) or _ABSENT,
    "create_time": lambda record: record.create_time,
    "update_time": lambda record: record.update_time,
}


def _descend(metadata: Mapping[str, Json], keys: list[str]) -> object:
    value: object = metadata
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _value_test(test: Test) -> Callable[[object], bool]:
    match test:
        case Exists(wanted):
            return lambda value: _is_there(value) is wanted
        case Equals(wanted_value):
            keys = frozenset((_typed(wanted_value),))
        case AnyOf(values):
            keys = frozenset(_typed(value) for value in values)
        case NumberRange():
            return lambda value: (number := as_number(value)) is not None and test.holds(number)
        case TimeRange():
            return lambda value: (moment := as_time(value)) is not None and test.holds(moment)
    return lambda value: (
        any(_typed(element) in keys for element in value)
        if isinstance(value, list)
        else _typed(value) in keys
    )


def _typed(value: object) -> tuple[str, object]:
    """A hashable form under which True is not 1, but 1 is 1.0."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int | float):
        return "number", float(value)
    if isinstance(value, str):
        return "string", str(value)
    return "other", None


def _is_there(value: object) -> bool:
    return value is not _ABSENT and value is not None and value not in ("", [], {})


def as_number(value: object) -> float | None:
    """The number a range is compared with; None for what is none, true and false included."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_time(value: object) -> datetime | None:
    """RFC 3339 text (a bare date is its midnight) or a time; without an offset it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
