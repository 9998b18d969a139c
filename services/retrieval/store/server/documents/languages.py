"""Which languages a tenant's documents are in, on a Qdrant server: a small point each, read by every search.

A search that has not heard of a language does not ask under it, so a language must be known everywhere before
its first document may be acknowledged. Its point is written first; then the writer waits as long as any
process may go on with what it read before.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    KIND_LANGUAGE,
    KIND_RECORD,
    MEDIUM,
    every,
    has_text,
    only,
    to_values,
)
from services.retrieval.store.server.documents.payloads import text_of

# How long a process goes by what it read, and so how long the first document of a language waits.
_KEEP_SECONDS = 0.1
# Only weights of words depend on how many documents there are, so these may be older.
_KEEP_COUNTS_SECONDS = 10.0
_MAX_REMEMBERED_TENANTS = 10_000
_NAMESPACE = uuid.UUID("0d3c7a5e-5b0e-5b6f-9a59-6f7d0b0c9a11")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read, and until when it holds."""

    documents: Mapping[str, int]
    expires: float


class ServerLanguages:
    """Reads and writes the points."""

    def __init__(self, documents: Collection, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._counts: dict[str, _Known] = {}
        self._announced: dict[str, set[str]] = {}

    async def counts(self, tenant: str) -> Mapping[str, int]:
        """See `RecordStore.languages`. The numbers may be some seconds old."""
        now = self._clock.monotonic()
        known = self._known.get(tenant)
        if known is None or known.expires <= now:
            _make_room(self._known)
            known = self._known[tenant] = _Known(await self._read(tenant), now + _KEEP_SECONDS)
        return known.documents

    async def announce(self, tenant: str, language: str) -> None:
        """Returns when every search that begins from now on, in any process, knows of `language`."""
        announced = self._announced.setdefault(tenant, set())
        if not language or language in announced:
            return  # documents in no known language are always looked for
        payload = {"tenant": tenant, "kind": KIND_LANGUAGE, "language": language}
        point = q.PointId(uuid=str(uuid.uuid5(_NAMESPACE, f"{language}:{tenant}")))
        vectors = q.Vectors(vectors=q.NamedVectors())
        await self._documents.upsert(
            [q.PointStruct(id=point, vectors=vectors, payload=to_values(payload))], ordering=MEDIUM
        )
        await self._clock.sleep(_KEEP_SECONDS)
        _make_room(self._announced)
        self._announced.setdefault(tenant, set()).add(language)

    async def _read(self, tenant: str) -> Mapping[str, int]:
        wanted = every(has_text("tenant", tenant), has_text("kind", KIND_LANGUAGE))
        points = await self._documents.scroll_agreed(wanted, only("language"))
        languages = {text_of(point.payload, "language") for point in points}
        if not languages:
            return {"": 1}
        counted = await self._counted(tenant)
        return {"": counted.get("", 1)} | {code: max(1, counted.get(code, 0)) for code in sorted(languages)}

    async def _counted(self, tenant: str) -> Mapping[str, int]:
        now = self._clock.monotonic()
        known = self._counts.get(tenant)
        if known is None or known.expires <= now:
            records = every(has_text("tenant", tenant), has_text("kind", KIND_RECORD))
            counted = await self._documents.facet("language", records)
            # Records of the time before languages were kept have no such field.
            rest = await self._documents.count(records) - sum(counted.values())
            _make_room(self._counts)
            known = _Known({"": max(0, rest), **counted}, now + _KEEP_COUNTS_SECONDS)
            self._counts[tenant] = known
        return known.documents


def _make_room(remembered: dict[str, Any]) -> None:
    if len(remembered) >= _MAX_REMEMBERED_TENANTS:
        remembered.clear()
