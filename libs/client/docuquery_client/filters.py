"""Filters and metadata from plain Python values, and from `key=value` text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from docuquery.common.v1.filter_pb2 import Condition, Filter, NumberRange, TimeRange

Scalar: TypeAlias = str | int | float | bool
JsonValue: TypeAlias = Scalar | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None

BUILT_IN_FIELDS = frozenset({
    "document_id", "source", "filename", "type", "title", "language", "size_bytes", "page_count",
    "create_time", "update_time",
})  # fmt: skip
"""Filter fields that are not metadata; a key of the metadata by such a name is `metadata.title`."""

# Up to here a double, which is what protobuf's Value holds, has every whole number (2**53 has 16 digits).
_MAX_EXACT_DIGITS = 15

_COMPARISON = re.compile(r"(?P<key>.+?)(?P<sign>>=|<=|!=|=|>|<)(?P<value>.*)", re.DOTALL)
_BOUNDS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")


def where(**fields: Scalar | Sequence[Scalar]) -> Filter:
    """A filter that keeps documents whose fields equal the given values; a list means "one of these".

    Names are built-in fields (`source`, `filename`, `type`, `title`, `language`, ...) or metadata keys:
    `where(type="pdf", year=2024, team=["hr", "legal"])`. Build a Filter yourself for ranges, negation
    and nested keys. Raises ValueError for an empty list.
    """
    conditions = []
    for name, value in fields.items():
        values = [value] if isinstance(value, str | int | float) else list(value)
        if not values:
            raise ValueError(f"{name}: an empty list would keep nothing")
        conditions.append(_condition(name, values))
    return Filter(conditions=conditions)


def filter_from_pairs(pairs: Iterable[str]) -> Filter:
    """A filter from `key=value` texts; a key given twice means either value.

    `key!=value` leaves out, `key>=value` and `>`, `<=`, `<` are ranges: of numbers, or of times (`>=` and
    `<` only) as in `due>=2024-05-01`, a day being its midnight in UTC. Raises ValueError with a sentence.
    """
    wanted: dict[str, list[Scalar]] = {}
    others = []
    for pair in pairs:
        found = _COMPARISON.fullmatch(pair)
        if found is None or not found["key"].strip():
            raise ValueError(f"{pair!r} is not of the form key=value")
        key, value = found["key"].strip(), found["value"]
        if found["sign"] == "=":
            wanted.setdefault(key, []).append(parse_scalar(value))
        elif found["sign"] == "!=":
            others.append(_condition(key, [parse_scalar(value)]))
            others[-1].negate = True
        else:
            others.append(_range(key, found["sign"], value.strip()))
    return Filter(conditions=[*(_condition(key, values) for key, values in wanted.items()), *others])


def metadata_from_pairs(pairs: Iterable[str]) -> dict[str, JsonValue]:
    """Metadata from `key=value` texts. Dots nest, as they do in filters: `a.b=1` is {"a": {"b": 1}}.

    Raises ValueError with a sentence when a text has no `=`, or two keys contradict each other.
    """
    metadata: dict[str, JsonValue] = {}
    for pair in pairs:
        key, value = split_pair(pair)
        *parents, last = key.split(".")
        target = metadata
        for parent in parents:
            inner = target.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{key!r} goes into {parent!r}, which is a value already")
            target = inner
        if last in target:
            raise ValueError(f"{key!r} is given twice")
        target[last] = parse_scalar(value)
    return metadata


def to_struct(metadata: Mapping[str, JsonValue]) -> Struct:
    """Metadata as protobuf's Struct. Raises ValueError for what JSON cannot hold."""
    struct = Struct()
    struct.update(dict(metadata))
    return struct


def split_pair(text: str) -> tuple[str, str]:
    """Splits `key=value` at its first `=`. Raises ValueError with a sentence."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ValueError(f"{text!r} is not of the form key=value")
    return key.strip(), value


def parse_scalar(text: str) -> Scalar:
    """`true`, `false`, whole numbers and decimals become what they say; all else stays text.

    Text in double quotes is read as a JSON string, so that `"2024"` can be text. Numbers with leading
    zeros and those too large for a double (phone numbers, ids) stay text.
    """
    if text in ("true", "false"):
        return text == "true"
    if len(text.removeprefix("-")) <= _MAX_EXACT_DIGITS and _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def _field(name: str) -> str:
    return name if name in BUILT_IN_FIELDS or name.startswith("metadata.") else f"metadata.{name}"


def _condition(name: str, values: Sequence[Scalar]) -> Condition:
    field = _field(name)
    if len(values) > 1:
        several = ListValue()
        several.extend(values)
        return Condition(field=field, any_of=several)
    value = values[0]
    if isinstance(value, float) and not value.is_integer():
        # `equals` compares whole numbers only.
        return Condition(field=field, number=NumberRange(gte=value, lte=value))
    return Condition(field=field, equals=_value(value))


def _range(name: str, sign: str, text: str) -> Condition:
    """One bound. Raises ValueError for what is neither a number nor a time."""
    number = parse_scalar(text)
    if isinstance(number, int | float) and not isinstance(number, bool):
        return Condition(field=_field(name), number=NumberRange(**{_BOUNDS[sign]: number}))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{name}{sign}{text}: {text!r} is neither a number nor a time such as 2024-05-01"
        ) from None
    if sign not in (">=", "<"):
        raise ValueError(f"{name}{sign}{text}: times take >= (from) and < (before)")
    bounds = TimeRange()
    (bounds.start if sign == ">=" else bounds.end).FromDatetime(moment)
    return Condition(field=_field(name), time=bounds)


def _value(value: Scalar) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    return Value(number_value=value)
