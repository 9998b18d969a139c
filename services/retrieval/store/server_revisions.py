"""Corpus revisions on a Qdrant server: a point for each tenant that holds a random token."""

from __future__ import annotations

import secrets
import uuid

from qdrant_client import grpc as q

from services.retrieval.store.server_collections import Collection
from services.retrieval.store.server_points import MEDIUM, every, has_text, only, selected, to_values
from services.retrieval.store.server_record_payloads import text_of

KIND_REVISION = "revision"

_NAMESPACE = uuid.UUID(int=2)
_TOKEN = only("token")
_NO_VECTORS = q.Vectors(vectors=q.NamedVectors())
# Missing ids are inserted whatever the filter says, and nothing passes this one.
_INSERT_ONLY = every(has_text("kind", "none such"))


class ServerRevisions:
    """Implements `CorpusRevisions`. The points name no tenant: they are no documents of anybody."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents

    async def current(self, tenant: str) -> str:
        point = _point(tenant)
        stored = await self._documents.retrieve_agreed([point], _TOKEN)
        if not stored:
            await self._write(point, _INSERT_ONLY)
            stored = await self._documents.retrieve_agreed([point], _TOKEN)
        return text_of(stored[0].payload, "token")

    async def advance(self, tenant: str) -> None:
        await self._write(_point(tenant), None)

    async def advance_all(self) -> None:
        # One token for all: it need only be a new one.
        await self._documents.nodes.points(
            "OverwritePayload",
            q.SetPayloadPoints(
                collection_name=self._documents.name,
                wait=True,
                payload=to_values(_payload()),
                points_selector=selected(has_text("kind", KIND_REVISION)),
                ordering=MEDIUM,
            ),
        )

    async def _write(self, point: q.PointId, update_filter: q.Filter | None) -> None:
        new = q.PointStruct(id=point, vectors=_NO_VECTORS, payload=to_values(_payload()))
        await self._documents.upsert([new], ordering=MEDIUM, update_filter=update_filter)


def _point(tenant: str) -> q.PointId:
    return q.PointId(uuid=str(uuid.uuid5(_NAMESPACE, tenant)))


def _payload() -> dict[str, str]:
    return {"kind": KIND_REVISION, "token": secrets.token_hex(16)}
