"""Ids, payloads and conditions as Qdrant's messages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from qdrant_client import grpc as q

from services.retrieval.store.payloads import Payload

DENSE = "dense"
SPARSE = "bm25"

KIND_RECORD = "record"
KIND_TEXT = "text"
KIND_MANIFEST = "manifest"
KIND_LANGUAGE = "language"

MEDIUM = q.WriteOrdering(type=q.Medium)
"""Through one replica, the highest that is alive: STRONG would stop all writes while its leader is dead."""

BASE_LENGTH = 28
MAX_SERIAL = (1 << 32) - 1
ALL = q.WithPayloadSelector(enable=True)
NONE = q.WithPayloadSelector(enable=False)
APPROXIMATE = q.SearchParams(hnsw_ef=128)
"""Chunks looked at on the way through a graph of vectors; as many as are asked for where those are more."""


@lru_cache(maxsize=32_768)  # points of one attempt come together, and a search names a hundred attempts
def id_base(tenant: str, attempt_id: str) -> str:
    """The first 96 bits of the ids of an attempt's points: 24 hexadecimal digits, with their dashes.

    A UUIDv5 of tenant and attempt, cut: no tenant can name, read or overwrite another's points. The last 32
    bits are the serial number, so that a hit tells its chunk without its payload being read, and points of
    an attempt are in order.
    """
    return str(uuid.uuid5(uuid.UUID(attempt_id), tenant))[:BASE_LENGTH]


def point_id(base: str, serial: int) -> q.PointId:
    """The id of the point `serial` (0 to 2**32 - 1) of an attempt. Raises ValueError beyond that."""
    return q.PointId(uuid=point_uuid(base, serial))


def point_uuid(base: str, serial: int) -> str:
    """The same as text."""
    if not 0 <= serial <= MAX_SERIAL:
        raise ValueError(f"{serial} is not within 0 to {MAX_SERIAL}")
    return f"{base}{serial:08x}"


def split_id(uuid: str) -> tuple[str, int]:
    """The base and the serial number in an id."""
    return uuid[:BASE_LENGTH], int(uuid[BASE_LENGTH:], 16)


def record_id(tenant: str, document_id: str) -> q.PointId:
    """The id of a document's record; a document id of another tenant gives another point."""
    return q.PointId(uuid=str(uuid.uuid5(uuid.UUID(document_id), f"record:{tenant}")))


def to_values(payload: Mapping[str, Any]) -> dict[str, q.Value]:
    """A payload of texts, numbers and lists of texts."""
    return {key: _to_value(value) for key, value in payload.items()}


def _to_value(value: str | float | Sequence[str]) -> q.Value:
    if isinstance(value, str):
        return q.Value(string_value=value)
    if isinstance(value, int):
        return q.Value(integer_value=value)
    if isinstance(value, float):
        return q.Value(double_value=value)
    return q.Value(list_value=q.ListValue(values=[q.Value(string_value=item) for item in value]))


def from_values(payload: Mapping[str, q.Value]) -> Payload:
    """The payload `to_values` was given."""
    return {key: _from_value(value) for key, value in payload.items()}


def _from_value(value: q.Value) -> str | float | list[str]:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "integer_value":
        return value.integer_value
    if kind == "double_value":
        return value.double_value
    return [item.string_value for item in value.list_value.values]


def only(*keys: str) -> q.WithPayloadSelector:
    """Of the payload, these fields."""
    return q.WithPayloadSelector(include=q.PayloadIncludeSelector(fields=keys))


def has_text(key: str, value: str) -> q.Condition:
    """Keyword field `key` is, or has among its elements, `value`."""
    return q.Condition(field=q.FieldCondition(key=key, match=q.Match(keyword=value)))


def has_one_of(key: str, values: Iterable[str]) -> q.Condition:
    """Keyword field `key` is, or has among its elements, one of `values`."""
    wanted = q.RepeatedStrings(strings=sorted(values))
    return q.Condition(field=q.FieldCondition(key=key, match=q.Match(keywords=wanted)))


def has_integer(key: str, value: int) -> q.Condition:
    """Integer field `key` is `value`."""
    return q.Condition(field=q.FieldCondition(key=key, match=q.Match(integer=value)))


def within(key: str, **bounds: float) -> q.Condition:
    """Number field `key` keeps to the bounds (gte, gt, lte, lt)."""
    return q.Condition(field=q.FieldCondition(key=key, range=q.Range(**bounds)))


# What stands before each id: field 1, 38 bytes (a PointId) of which field 2, 36 bytes (its uuid).
_ID_PREFIX = "\x0a\x26\x12\x24"


def has_id(uuids: Iterable[str]) -> q.Condition:
    """The point has one of these ids."""
    # Written as the bytes they are sent as: a search names 160, and as objects they take six times as long.
    condition = q.Condition()
    condition.has_id.MergeFromString("".join([f"{_ID_PREFIX}{uuid}" for uuid in uuids]).encode("ascii"))
    return condition


def every(*conditions: q.Condition) -> q.Filter:
    """All conditions hold."""
    return q.Filter(must=conditions)


def touching(char_start: int, char_end: int) -> tuple[q.Condition, q.Condition]:
    """The conditions that a piece of text shares a character with [char_start, char_end)."""
    return within("char_start", lt=char_end), within("char_end", gt=char_start)


def selected(*conditions: q.Condition) -> q.PointsSelector:
    """The points for which all conditions hold, for a write."""
    return q.PointsSelector(filter=every(*conditions))


def dense_from(vectors: q.VectorsOutput, name: str) -> Sequence[float]:
    """A named dense vector of a point."""
    vector = vectors.vectors.vectors[name]
    # Servers up to 1.16 answer in the older of the message's two forms.
    return vector.dense.data or vector.data


def sparse_from(vectors: q.VectorsOutput, name: str) -> tuple[Sequence[int], Sequence[float]]:
    """Indices and values of a named sparse vector of a point; empty when it has none."""
    vector = vectors.vectors.vectors[name]
    if vector.HasField("sparse"):
        return vector.sparse.indices, vector.sparse.values
    return vector.indices.data, vector.data
