"""Text on a Qdrant server."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import grpc as q

from services.retrieval.store.payloads import block_from_payload, block_to_payload
from services.retrieval.store.protocol import TextBlock
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    ALL,
    KIND_TEXT,
    every,
    from_values,
    has_text,
    id_base,
    only,
    point_id,
    to_values,
    touching,
)
from services.retrieval.store.server.documents.payloads import integer_of

_NO_VECTORS = q.Vectors(vectors=q.NamedVectors())


class ServerTextStore:
    """Implements `TextStore`; a block's serial number is where it starts."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents

    async def write(self, tenant: str, attempt_id: str, blocks: Sequence[TextBlock]) -> None:
        if not blocks:
            return
        base = id_base(tenant, attempt_id)
        points = []
        for block in blocks:
            payload = block_to_payload(attempt_id, block)
            byte_start, byte_end = payload.pop("bytes")
            values = to_values(
                {
                    "tenant": tenant,
                    "kind": KIND_TEXT,
                    "byte_start": byte_start,
                    "byte_end": byte_end,
                    **payload,
                }
            )
            points.append(
                q.PointStruct(id=point_id(base, block.span.char_start), vectors=_NO_VECTORS, payload=values)
            )
        await self._documents.upsert(points)

    async def read(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[TextBlock]:
        wanted = _of_attempt(tenant, attempt_id)
        wanted.must.extend(touching(char_start, char_end))
        blocks = []
        async for point in self._documents.scroll(wanted, ALL):
            payload = from_values(point.payload)
            payload["bytes"] = (payload["byte_start"], payload["byte_end"])
            blocks.append(block_from_payload(payload))
        return blocks

    async def extents(self, tenant: str, attempt_id: str) -> Sequence[tuple[int, int]]:
        wanted = _of_attempt(tenant, attempt_id)
        return [
            (integer_of(point.payload, "char_start"), integer_of(point.payload, "char_end"))
            async for point in self._documents.scroll(wanted, only("char_start", "char_end"))
        ]


def _of_attempt(tenant: str, attempt_id: str) -> q.Filter:
    return every(has_text("attempt_id", attempt_id), has_text("tenant", tenant))
