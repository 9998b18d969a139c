"""Filters and metadata from the contract, with every fault of a filter named by its path."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime

from google.protobuf import struct_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from docuquery.common.v1 import filter_pb2
from libs.errors import Violations
from libs.languages import EXAMPLES, language_code
from services.retrieval.filtering.conditions import (
    BUILT_IN_FIELDS,
    METADATA_PREFIX,
    NUMBER_FIELDS,
    TEXT_FIELDS,
    TIME_FIELDS,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Filter,
    NumberRange,
    Scalar,
    Test,
    TimeRange,
)
from services.retrieval.model import DocumentType, Json

MAX_CONDITIONS = 16
MAX_ANY_OF = 100
_MAX_FIELD_CHARACTERS = 200
_LARGEST_WHOLE = 2.0**53
_DOCUMENT_TYPES = frozenset(DocumentType)

# Which tests make sense on which built-in fields; metadata takes all.
_TEXT_TESTS = frozenset({"equals", "any_of", "exists"})
_TESTS = {
    **dict.fromkeys(TEXT_FIELDS, _TEXT_TESTS),
    **dict.fromkeys(NUMBER_FIELDS, frozenset({"equals", "any_of", "number", "exists"})),
    **dict.fromkeys(TIME_FIELDS, frozenset({"time", "exists"})),
}


def json_from_value(value: struct_pb2.Value) -> Json:
    """A Struct's value as Python has it; whole numbers, of which a Struct made floats, are ints again."""
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < _LARGEST_WHOLE else number
        case "string_value":
            return value.string_value
        case "struct_value":
            return json_from_struct(value.struct_value)
        case "list_value":
            return [json_from_value(item) for item in value.list_value.values]
    return None


def json_from_struct(struct: struct_pb2.Struct) -> dict[str, Json]:
    """A Struct as a dict."""
    return {key: json_from_value(value) for key, value in struct.fields.items()}


def has_only_finite_numbers(value: Json) -> bool:
    """Whether no NaN and no infinity stands anywhere in `value`; JSON has neither."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(has_only_finite_numbers, value))
    return all(map(has_only_finite_numbers, value.values())) if isinstance(value, dict) else True


def filter_from_proto(message: filter_pb2.Filter, faults: Violations, field: str = "filter") -> Filter:
    """The domain's filter. Faults are collected; conditions that have one are left out."""
    faults.require(
        len(message.conditions) <= MAX_CONDITIONS,
        f"{field}.conditions",
        f"must be at most {MAX_CONDITIONS} conditions",
    )
    conditions = []
    for index, condition in enumerate(message.conditions):
        path = f"{field}.conditions[{index}]"
        test = _test(condition, faults, path) if _is_field(condition.field, faults, path) else None
        if test is not None:
            conditions.append(Condition(condition.field, test, condition.negate))
    return Filter(tuple(conditions))


def _is_field(name: str, faults: Violations, path: str) -> bool:
    is_metadata = name.startswith(METADATA_PREFIX) and all(name.split("."))
    ok = len(name) <= _MAX_FIELD_CHARACTERS and (is_metadata or name in BUILT_IN_FIELDS)
    faults.require(ok, f"{path}.field", f"must be one of {', '.join(BUILT_IN_FIELDS)}, or metadata.<key>")
    return ok


def _test(condition: filter_pb2.Condition, faults: Violations, path: str) -> Test | None:
    kind = condition.WhichOneof("test")
    if kind is None:
        faults.add(path, "must have a test: equals, any_of, number, time or exists")
        return None
    if not condition.field.startswith(METADATA_PREFIX):
        allowed = _TESTS[condition.field]
        if kind not in allowed:
            faults.add(f"{path}.{kind}", f"{condition.field} takes {', '.join(sorted(allowed))}")
            return None
    match kind:
        case "equals":
            value = _scalar(condition.equals, condition.field, faults, f"{path}.equals", any_scalar=True)
            return None if value is None else Equals(value)
        case "any_of":
            return _any_of(condition, faults, f"{path}.any_of")
        case "number":
            return _number_range(condition.number, faults, f"{path}.number")
        case "time":
            return _time_range(condition.time, faults, f"{path}.time")
    return Exists(condition.exists)


def _any_of(condition: filter_pb2.Condition, faults: Violations, path: str) -> AnyOf | None:
    values = condition.any_of.values
    if not 1 <= len(values) <= MAX_ANY_OF:
        faults.add(path, f"must be 1 to {MAX_ANY_OF} values")
        return None
    scalars = [
        _scalar(value, condition.field, faults, f"{path}[{i}]", any_scalar=False)
        for i, value in enumerate(values)
    ]
    return AnyOf(tuple(scalar for scalar in scalars if scalar is not None))


def _scalar(
    message: struct_pb2.Value, field: str, faults: Violations, path: str, *, any_scalar: bool
) -> Scalar | None:
    """`any_scalar` allows booleans besides strings and whole numbers."""
    value = json_from_value(message)
    if not isinstance(value, str | int) or (isinstance(value, bool) and not any_scalar):
        kinds = "a string, a whole number or a boolean" if any_scalar else "a string or a whole number"
        faults.add(path, f"must be {kinds}; use number for fractions")
        return None
    if field in TEXT_FIELDS and not isinstance(value, str):
        faults.add(path, f"must be a string: {field} is one")
        return None
    if field in NUMBER_FIELDS and (isinstance(value, bool) or not isinstance(value, int)):
        faults.add(path, f"must be a whole number: {field} is one")
        return None
    if field == "language":
        code = language_code(str(value))
        faults.require(code is not None, path, f"must be {EXAMPLES}")
        return code
    if field == "type" and value not in _DOCUMENT_TYPES:
        faults.add(path, f"must be one of {', '.join(DocumentType)}")
        return None
    if field == "document_id" and not is_uuid(str(value)):
        faults.add(path, "must be a document id: a UUID in lower case")
        return None
    return value


def _number_range(message: filter_pb2.NumberRange, faults: Violations, path: str) -> NumberRange | None:
    bounds = {name: getattr(message, name) for name in ("gte", "gt", "lte", "lt") if message.HasField(name)}
    if not bounds:
        faults.add(path, "must have at least one bound: gte, gt, lte or lt")
        return None
    if any(math.isnan(bound) for bound in bounds.values()):
        faults.add(path, "must have bounds that are numbers")
        return None
    return NumberRange(**bounds)


def _time_range(message: filter_pb2.TimeRange, faults: Violations, path: str) -> TimeRange | None:
    if not message.HasField("start") and not message.HasField("end"):
        faults.add(path, "must have a start or an end")
        return None
    start = time_from_proto(message.start, faults, f"{path}.start") if message.HasField("start") else None
    end = time_from_proto(message.end, faults, f"{path}.end") if message.HasField("end") else None
    if start and end and start >= end:
        faults.add(path, "must have a start before its end")
        return None
    return TimeRange(start, end)


def time_from_proto(message: Timestamp, faults: Violations, path: str) -> datetime | None:
    """An aware UTC time; the years 1 to 9999."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        faults.add(path, "must be a time between the years 1 and 9999")
        return None


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its usual form, lower case."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
