"""Corpus revisions on a Qdrant server: a point for each tenant that holds a random token."""

from __future__ import annotations

import secrets
import uuid

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    MEDIUM,
    every,
    has_text,
    only,
    selected,
    to_values,
)
from services.retrieval.store.server.documents.payloads import text_of

KIND_REVISION = "revision"

_NAMESPACE = uuid.UUID(int=2)
_TOKEN = only("token")
_NO_VECTORS = q.Vectors(vectors=q.NamedVectors())
# Missing ids are inserted whatever the filter says, and nothing passes this one.
_INSERT_ONLY = every(has_text("kind", "none such"))
_QUORUM = q.ReadConsistency(type=q.Quorum)
# Copies differ for some milliseconds after each advance: always, while documents come in one after the other.
_AGREE_TRIES = 10
_AGREE_PAUSE_SECONDS = 0.02


class ServerRevisions:
    """Implements `CorpusRevisions`. The points name no tenant: they are no documents of anybody."""

    def __init__(self, documents: Collection, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def current(self, tenant: str) -> str:
        point = _point(tenant)
        for _ in range(_AGREE_TRIES):
            # A quorum read leaves out a point on which the copies differ.
            stored = await self._documents.retrieve([point], _TOKEN, consistency=_QUORUM)
            if stored:
                return text_of(stored[0].payload, "token")
            if await self._documents.retrieve([point]):
                await self._clock.sleep(_AGREE_PAUSE_SECONDS)
            else:
                await self._write(point, _INSERT_ONLY)
        return _new_token()

    async def advance(self, tenant: str) -> None:
        await self._write(_point(tenant), None)

    async def advance_all(self) -> None:
        # One token for all: it need only be a new one.
        await self._documents.overwrite(_payload(), selected(has_text("kind", KIND_REVISION)))

    async def _write(self, point: q.PointId, update_filter: q.Filter | None) -> None:
        new = q.PointStruct(id=point, vectors=_NO_VECTORS, payload=to_values(_payload()))
        await self._documents.upsert([new], ordering=MEDIUM, update_filter=update_filter)


def _point(tenant: str) -> q.PointId:
    return q.PointId(uuid=str(uuid.uuid5(_NAMESPACE, tenant)))


def _payload() -> dict[str, str]:
    return {"kind": KIND_REVISION, "token": _new_token()}


def _new_token() -> str:
    return secrets.token_hex(16)
