"""Calls of one collection's points that are made for several callers at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain, islice
from typing import TypeAlias

from google.protobuf.message import Message
from qdrant_client import grpc as q

from services.retrieval.store.server.connection.batched import Batcher
from services.retrieval.store.server.connection.nodes import Nodes
from services.retrieval.store.server.connection.points import MEDIUM

MOST_READS = 16
"""Callers whose reads go in one call."""
_MOST_WRITES = 8
# Queries keep several cores busy, and a quick one should not wait for a slow one.
_QUERIES_UNDER_WAY = 2

_Alike: TypeAlias = tuple[bytes, ...]
"""What requests must have in common to go in one call."""


class BatchedCalls:
    """Reads by id, searches and writes; see `Collection` for what they mean. All raise STORE_UNAVAILABLE."""

    def __init__(self, nodes: Nodes, collection: str) -> None:
        self._nodes = nodes
        self._collection = collection
        self._queries = Batcher(self._query, most=MOST_READS, under_way=_QUERIES_UNDER_WAY)
        self._changes = Batcher(self._change, most=_MOST_WRITES, under_way=1)
        self._reads: dict[_Alike, Batcher[Sequence[q.PointId], Sequence[q.RetrievedPoint]]] = {}
        self._upserts: dict[_Alike, Batcher[Sequence[q.PointStruct], None]] = {}

    async def get(
        self,
        ids: Sequence[q.PointId],
        payload: q.WithPayloadSelector,
        vectors: bool,
        consistency: q.ReadConsistency | None,
    ) -> Sequence[q.RetrievedPoint]:
        """Those of `ids` that are there."""
        alike = (_bytes(payload), b"vectors" if vectors else b"", _bytes(consistency))
        if alike not in self._reads:
            send = partial(self._get, payload=payload, vectors=vectors, consistency=consistency)
            self._reads[alike] = Batcher(send, most=MOST_READS, under_way=1)
        return await self._reads[alike].ask(ids)

    async def query(self, requests: Sequence[q.QueryPoints]) -> Sequence[Sequence[q.ScoredPoint]]:
        """The hits of each search."""
        return await self._queries.ask(requests)

    async def upsert(
        self,
        points: Sequence[q.PointStruct],
        ordering: q.WriteOrdering | None,
        update_filter: q.Filter | None,
    ) -> None:
        """Stores points."""
        alike = (_bytes(ordering), _bytes(update_filter))
        if alike not in self._upserts:
            send = partial(self._upsert, ordering=ordering, update_filter=update_filter)
            self._upserts[alike] = Batcher(send, most=_MOST_WRITES, under_way=1)
        await self._upserts[alike].ask(points)

    async def change(self, operations: Sequence[q.PointsUpdateOperation]) -> None:
        """Makes changes one after the other."""
        await self._changes.ask(operations)

    async def _get(
        self,
        parts: Sequence[Sequence[q.PointId]],
        *,
        payload: q.WithPayloadSelector,
        vectors: bool,
        consistency: q.ReadConsistency | None,
    ) -> Sequence[Sequence[q.RetrievedPoint]]:
        reply = await self._nodes.points(
            "Get",
            q.GetPoints(
                collection_name=self._collection,
                ids=chain.from_iterable(parts),
                with_payload=payload,
                with_vectors=q.WithVectorsSelector(enable=vectors),
                read_consistency=consistency,
            ),
        )
        if len(parts) == 1:
            return [list(reply.result)]
        found = {point.id.uuid: point for point in reply.result}
        return [[found[point.uuid] for point in part if point.uuid in found] for part in parts]

    async def _query(
        self, parts: Sequence[Sequence[q.QueryPoints]]
    ) -> Sequence[Sequence[Sequence[q.ScoredPoint]]]:
        batch = q.QueryBatchPoints(collection_name=self._collection, query_points=chain.from_iterable(parts))
        found = iter((await self._nodes.points("QueryBatch", batch)).result)
        return [[hits.result for hits in islice(found, len(part))] for part in parts]

    async def _upsert(
        self,
        parts: Sequence[Sequence[q.PointStruct]],
        *,
        ordering: q.WriteOrdering | None,
        update_filter: q.Filter | None,
    ) -> Sequence[None]:
        await self._nodes.points(
            "Upsert",
            q.UpsertPoints(
                collection_name=self._collection,
                wait=True,
                points=chain.from_iterable(parts),
                ordering=ordering,
                update_filter=update_filter,
            ),
        )
        return [None] * len(parts)

    async def _change(self, parts: Sequence[Sequence[q.PointsUpdateOperation]]) -> Sequence[None]:
        await self._nodes.points(
            "UpdateBatch",
            q.UpdateBatchPoints(
                collection_name=self._collection,
                wait=True,
                operations=chain.from_iterable(parts),
                ordering=MEDIUM,
            ),
        )
        return [None] * len(parts)


def _bytes(message: Message | None) -> bytes:
    return message.SerializeToString(deterministic=True) if message is not None else b""
