"""What a document is and has, as one indexed keyword field: equality, any-of and exists, for any field.

Each record lists its facts: a short hash of "field, type, value" for every scalar among its metadata (each
element of a list, each path into nested keys) and its built-in fields, and of "field" for every field that
is there. A condition that names values becomes "has one of these facts", whatever the field: one index
serves all of them. Hashes of 64 bits may meet; what is found is judged by the domain's own predicate
afterwards, and that a negated condition leaves out a document for it is as good as impossible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from services.retrieval.filtering.conditions import (
    BUILT_IN_FIELDS,
    METADATA_PREFIX,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Scalar,
    reader,
)
from services.retrieval.model import DocumentRecord, Json

REVISION = 2
"""Raised when records must be written anew to be found."""

_HASH_BYTES = 8


def facts_of(record: DocumentRecord) -> list[str]:
    """The facts of a record, sorted."""
    return sorted(set(_facts(record)))


def named_facts(condition: Condition) -> list[str] | None:
    """The facts of which a document that passes the condition's test has at least one, and no other has any.

    Of `exists: false` it is the other way round. None for a range.
    """
    match condition.test:
        case Equals(value):
            return [_value_fact(condition.field, value)]
        case AnyOf(values):
            return [_value_fact(condition.field, value) for value in values]
        case Exists():
            return [_hash(condition.field)]
        case _:
            return None


def _facts(record: DocumentRecord) -> Iterator[str]:
    for field in BUILT_IN_FIELDS:
        value = reader(field)(record)
        if isinstance(value, str | int):
            yield from _walk(field, value)
        elif value is record.create_time or value is record.update_time:
            yield _hash(field)
    for key, inner in record.description.metadata.items():
        yield from _walk(METADATA_PREFIX + _plain(key), inner)


def _walk(field: str, value: Json) -> Iterator[str]:
    if value is not None and value not in ("", [], {}):
        yield _hash(field)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(f"{field}.{_plain(key)}", inner)
        return
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, str | int | float):
            yield _value_fact(field, element)


def _plain(key: str) -> str:
    """A key's part of a path; one with dots in it is none that a condition can name."""
    return key.replace(".", "\0")


def _value_fact(field: str, value: Scalar) -> str:
    # As the predicate compares: True is not 1, but 1 is 1.0.
    if isinstance(value, bool):
        typed = f"b{value}"
    elif isinstance(value, int | float):
        typed = f"n{float(value) + 0.0!r}"  # -0.0 is 0.0
    else:
        typed = f"s{value}"
    return _hash(f"{field}\0{typed}")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
