"""Chunks on a Qdrant server."""

from __future__ import annotations

import math
from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from qdrant_client import grpc as q

from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.store.payloads import chunk_from_payload, chunk_to_payload
from services.retrieval.store.protocol import (
    ChunkKeys,
    ChunkQuery,
    EmbeddedChunk,
    Hit,
    Leg,
    Legs,
    SparseVector,
)
from services.retrieval.store.server_collections import Collection
from services.retrieval.store.server_idf import IdfCache, idf_probe
from services.retrieval.store.server_points import (
    ALL,
    DENSE,
    NONE,
    SPARSE,
    dense_from,
    every,
    from_values,
    has_id,
    has_one_of,
    has_text,
    id_base,
    only,
    point_id,
    sparse_from,
    split_id,
    to_values,
    touching,
)
from services.retrieval.store.server_selection import MAX_NAMED_ATTEMPTS, Selector

# Asked for beyond the expected share when hits are dropped afterwards.
_DEPTH_MARGIN = 1.5
# Bases of ids whose attempts are remembered; a base never changes its attempt.
_MAX_REMEMBERED_BASES = 100_000


class ServerChunkStore:
    """Implements `ChunkStore`."""

    def __init__(self, collection: Collection, selector: Selector, idf: IdfCache) -> None:
        self._collection = collection
        self._selector = selector
        self._idf = idf
        self._attempts: dict[str, str] = {}

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        if not chunks:
            return
        dense = np.stack([item.dense for item in chunks])
        if not np.isfinite(dense).all():
            # Qdrant 1.16 keeps such a vector and then ranks it first for every query.
            raise ValueError("a vector with a value that is no finite number must not be stored")
        await self._collection.upsert(
            [_to_point(tenant, item, vector) for item, vector in zip(chunks, dense.tolist(), strict=True)]
        )
        self._idf.forget(tenant)

    async def existing(self, tenant: str, keys: Sequence[ChunkKey]) -> frozenset[ChunkKey]:
        by_id = {_id(tenant, key).uuid: key for key in keys}
        found = await self._collection.retrieve([q.PointId(uuid=uuid) for uuid in by_id])
        return frozenset(by_id[point.id.uuid] for point in found)

    async def count(self, tenant: str, attempt_id: str) -> int:
        return await self._collection.count(_of_attempt(tenant, attempt_id))

    async def highest_ordinal(self, tenant: str, attempt_id: str) -> int:
        count = await self.count(tenant, attempt_id)
        if count == 0:
            return -1
        # The ids of an attempt are in order, and n chunks reach the ordinal n - 1 at least.
        first = point_id(id_base(tenant, attempt_id), count - 1)
        highest = count - 1
        async for point in self._collection.scroll(_of_attempt(tenant, attempt_id), start=first):
            highest = split_id(point.id)[1]
        return highest

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        plan = await self._plan(tenant, query)
        if plan is None:
            nothing = Leg()
            return Legs(
                nothing if query.dense is not None else None, nothing if query.sparse is not None else None
            )
        dense, sparse = await self._ask(tenant, query, plan.depth, plan.filter, plan.filter)
        if plan.is_to_be_judged:
            found = {hit.key.attempt_id for hit in (*(dense or ()), *(sparse or ()))}
            plan = replace(plan, keep=await self._selector.passing(tenant, query.filter, found))
        return Legs(
            None if dense is None else plan.leg(dense, query.depth),
            None if sparse is None else plan.leg(sparse, query.depth),
        )

    async def score(self, tenant: str, query: ChunkQuery, keys: ChunkKeys) -> Legs:
        if not (keys.dense or keys.sparse):
            return Legs(None, None)
        asked = ChunkQuery(
            query.dense if keys.dense else None, query.sparse if keys.sparse else None, query.depth
        )
        limit = max(len(keys.dense), len(keys.sparse))
        dense_filter, sparse_filter = (
            every(has_id([_id(tenant, key) for key in named])) for named in (keys.dense, keys.sparse)
        )
        dense, sparse = await self._ask(tenant, asked, limit, dense_filter, sparse_filter)
        return Legs(None if dense is None else Leg(dense), None if sparse is None else Leg(sparse))

    async def fetch(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        found = await self._collection.retrieve([_id(tenant, key) for key in keys], ALL)
        chunks = (chunk_from_payload(from_values(point.payload)) for point in found)
        return {chunk.key: chunk for chunk in chunks}

    async def embedded(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, EmbeddedChunk]:
        found = await self._collection.retrieve([_id(tenant, key) for key in keys], ALL, vectors=True)
        return {item.chunk.key: item for item in map(_from_point, found)}

    async def between(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[Chunk]:
        wanted = _of_attempt(tenant, attempt_id)
        wanted.must.extend(touching(char_start, char_end))
        return [
            chunk_from_payload(from_values(point.payload))
            async for point in self._collection.scroll(wanted, ALL)
        ]

    async def idf(self, tenant: str, terms: Group[int]) -> Mapping[int, float]:
        return await self._idf.get(tenant, terms)

    async def _plan(self, tenant: str, query: ChunkQuery) -> _Plan | None:
        if not query.filter:
            return _Plan(query.depth, every(has_text("tenant", tenant)))
        selection = await self._selector.select(tenant, query.filter)
        passing = selection.attempt_ids
        if passing is not None and not passing:
            return None
        if passing is not None and len(passing) <= MAX_NAMED_ATTEMPTS:
            # They are the tenant's own; a second condition would cost as much as the first.
            return _Plan(query.depth, every(has_one_of("attempt_id", passing)))
        depth = math.ceil(query.depth / selection.share * _DEPTH_MARGIN)
        return _Plan(depth, every(has_text("tenant", tenant)), passing, is_to_be_judged=passing is None)

    async def _ask(
        self, tenant: str, query: ChunkQuery, limit: int, dense_filter: q.Filter, sparse_filter: q.Filter
    ) -> tuple[tuple[Hit, ...] | None, tuple[Hit, ...] | None]:
        """Both questions in one round trip, with those for unknown idf; None for what was not asked."""
        requests = []
        name = self._collection.name
        has_dense, has_sparse = (
            query.dense is not None,
            query.sparse is not None and bool(query.sparse.indices),
        )
        if query.dense is not None:
            vector = q.VectorInput(dense=q.DenseVector(data=query.dense.tolist()))
            requests.append(_nearest(name, vector, DENSE, dense_filter, limit))
        unknown: list[int] = []
        if query.sparse is not None and has_sparse:
            vector = q.VectorInput(sparse=_to_sparse(query.sparse))
            requests.append(_nearest(name, vector, SPARSE, sparse_filter, limit))
            unknown = self._idf.unknown(tenant, query.sparse.indices)
            requests += [idf_probe(name, term) for term in unknown]
        replies = []
        if requests:
            batch = q.QueryBatchPoints(collection_name=name, query_points=requests)
            replies = list((await self._collection.nodes.points("QueryBatch", batch)).result)
        dense = replies[0].result if has_dense else None
        sparse = replies[has_dense].result if has_sparse else ()
        if unknown:
            probes = [reply.result for reply in replies[has_dense + 1 :]]
            await self._idf.learn(tenant, unknown, probes)
        return (
            None if dense is None else await self._hits(dense),
            None if query.sparse is None else await self._hits(sparse),
        )

    async def _hits(self, points: Sequence[q.ScoredPoint]) -> tuple[Hit, ...]:
        scored = [(*split_id(point.id), point.score) for point in points]
        some_id = {base: point.id for (base, _, _), point in zip(scored, points, strict=True)}
        attempts = {base: self._attempts[base] for base in some_id if base in self._attempts}
        unknown = [point for base, point in some_id.items() if base not in attempts]
        for found in await self._collection.retrieve(unknown, only("attempt_id")):
            attempts[split_id(found.id)[0]] = found.payload["attempt_id"].string_value
        if unknown:
            if len(self._attempts) > _MAX_REMEMBERED_BASES:
                self._attempts.clear()
            self._attempts.update(attempts)
        return tuple(
            Hit(ChunkKey(attempts[base], ordinal), score)
            for base, ordinal, score in scored
            if base in attempts  # else deleted since
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to ask the engine."""

    depth: int
    filter: q.Filter
    keep: frozenset[str] | None = None
    """Of the hits, keep those of these attempts; None keeps all."""
    is_to_be_judged: bool = False
    """Whether the documents of the hits are yet to be looked at."""

    def leg(self, hits: tuple[Hit, ...], wanted: int) -> Leg:
        """The first `wanted` hits to keep."""
        asked_all = len(hits) >= self.depth
        if self.keep is not None:
            hits = tuple(hit for hit in hits if hit.key.attempt_id in self.keep)
        return Leg(hits[:wanted], is_cut=asked_all or len(hits) > wanted)


def _nearest(name: str, vector: q.VectorInput, using: str, wanted: q.Filter, limit: int) -> q.QueryPoints:
    return q.QueryPoints(
        collection_name=name,
        query=q.Query(nearest=vector),
        using=using,
        filter=wanted,
        limit=limit,
        with_payload=NONE,
    )


def _id(tenant: str, key: ChunkKey) -> q.PointId:
    return point_id(id_base(tenant, key.attempt_id), key.ordinal)


def _of_attempt(tenant: str, attempt_id: str) -> q.Filter:
    return every(has_text("attempt_id", attempt_id), has_text("tenant", tenant))


def _to_point(tenant: str, item: EmbeddedChunk, dense: list[float]) -> q.PointStruct:
    vectors = {
        DENSE: q.Vector(dense=q.DenseVector(data=dense)),
        SPARSE: q.Vector(sparse=_to_sparse(item.sparse)),
    }
    return q.PointStruct(
        id=_id(tenant, item.chunk.key),
        vectors=q.Vectors(vectors=q.NamedVectors(vectors=vectors)),
        payload=to_values({"tenant": tenant, **chunk_to_payload(item.chunk)}),
    )


def _to_sparse(vector: SparseVector) -> q.SparseVector:
    return q.SparseVector(indices=vector.indices, values=vector.values)


def _from_point(point: q.RetrievedPoint) -> EmbeddedChunk:
    stored = np.asarray(dense_from(point.vectors, DENSE), dtype=np.float32)
    indices, values = sparse_from(point.vectors, SPARSE)
    return EmbeddedChunk(
        chunk_from_payload(from_values(point.payload)),
        stored / np.linalg.norm(stored),  # half precision: the length is 1 within 1e-4
        SparseVector(tuple(indices), tuple(values)),
    )
