"""Conditions on documents as one indexed keyword field: a superset the server finds fast.

Each record lists its facts: a short hash of "field, type, value" for every scalar among its metadata (each
element of a list, each path into nested keys) and its built-in fields, and of "field" for every field that
is there. A condition that names values becomes "has one of these facts", whatever the field: one index
serves all of them. Hashes may meet and some conditions (ranges, negations) have no fact: what the server
finds is judged by the domain's own predicate afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from services.retrieval.filters import METADATA_PREFIX, AnyOf, Condition, Equals, Exists, Filter, Scalar
from services.retrieval.model import Description, DocumentRecord, Json

_HASH_BYTES = 8


def facts_of(record: DocumentRecord) -> list[str]:
    """The facts of a record, sorted."""
    return sorted(set(_facts(record)))


def required_facts(wanted: Filter) -> list[list[str]]:
    """Groups of facts; a document that passes `wanted` has at least one of each group."""
    return [group for condition in wanted.conditions if (group := _group(condition)) is not None]


def _group(condition: Condition) -> list[str] | None:
    if condition.negate:
        return None
    match condition.test:
        case Equals(value):
            return [_value_fact(condition.field, value)]
        case AnyOf(values):
            return [_value_fact(condition.field, value) for value in values]
        case Exists(wanted=True):
            return [_hash(condition.field)]
        case _:
            return None


def _facts(record: DocumentRecord) -> Iterator[str]:
    description: Description = record.description
    built_in: dict[str, Json] = {
        "document_id": record.document_id,
        "source": record.source,
        "filename": description.filename,
        "type": description.type.value if description.type else None,
        "create_time": record.create_time.isoformat(),
    }
    for field, value in built_in.items():
        yield from _walk(field, value)
    for key, value in description.metadata.items():
        yield from _walk(METADATA_PREFIX + key, value)


def _walk(field: str, value: Json) -> Iterator[str]:
    if value is not None and value not in ("", [], {}):
        yield _hash(field)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(f"{field}.{key}", inner)
        return
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, str | int | float):
            yield _value_fact(field, element)


def _value_fact(field: str, value: Scalar) -> str:
    # As the predicate compares: True is not 1, but 1 is 1.0.
    if isinstance(value, bool):
        typed = f"b{value}"
    elif isinstance(value, int | float):
        typed = f"n{float(value)!r}"
    else:
        typed = f"s{value}"
    return _hash(f"{field}\0{typed}")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
