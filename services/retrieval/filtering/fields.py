"""Metadata fields the operator declares for ranges, so that a server can index them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.retrieval.filtering.conditions import METADATA_PREFIX

MAX_FIELDS = 32


class FieldKind(StrEnum):
    """What a declared field holds."""

    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class FilterField:
    """A field as conditions name it (`metadata.year`), and what ranges over it are of."""

    name: str
    kind: FieldKind


def parse_filter_fields(text: str) -> tuple[FilterField, ...]:
    """Fields from `year:number,published:time`, by name; the prefix `metadata.` may be left out.

    Raises ValueError.
    """
    fields: dict[str, FilterField] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, colon, kind = part.rpartition(":")
        name = METADATA_PREFIX + key.strip().removeprefix(METADATA_PREFIX)
        if not colon or not all(name.split(".")) or kind.strip() not in list(FieldKind):
            raise ValueError(
                f"{part!r} must be a field of the metadata and its kind, like year:number or due:time"
            )
        if name in fields:
            raise ValueError(f"{name} is declared twice")
        fields[name] = FilterField(name, FieldKind(kind.strip()))
    if len(fields) > MAX_FIELDS:
        raise ValueError(f"must be at most {MAX_FIELDS} fields")
    return tuple(fields[name] for name in sorted(fields))
