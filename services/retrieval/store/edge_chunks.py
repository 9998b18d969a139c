"""Chunks in Qdrant Edge."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import qdrant_edge as edge

from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.store.edge_idf import idf_of_unseen, probe_idf
from services.retrieval.store.edge_slots import ordinal_in, point_id
from services.retrieval.store.edge_tenant import (
    DENSE,
    SPARSE,
    EdgeTenant,
    EdgeTenants,
    engine_errors,
    match,
    scroll,
)
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

Points: TypeAlias = "Sequence[edge.ScoredPoint] | Sequence[edge.Record]"

# Naming the attempts in the engine's filter costs about 4.4 µs each in a hybrid query; beyond this many it
# is cheaper to ask for more hits and drop those that do not pass (measured at 100,000 chunks).
_MAX_NAMED_ATTEMPTS = 1000
# Asked for beyond the expected share when hits are dropped afterwards.
_DEPTH_MARGIN = 1.5
_MAX_REMEMBERED_TERMS = 100_000


class EdgeChunkStore:
    """Implements `ChunkStore`."""

    def __init__(self, tenants: EdgeTenants) -> None:
        self._tenants = tenants

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        if not chunks:
            return
        dense = np.stack([item.dense for item in chunks])
        if not np.isfinite(dense).all():
            # Qdrant keeps such a vector and some versions then rank it first for every query.
            raise ValueError("a vector with a value that is no finite number must not be stored")
        points = list(map(_to_point, chunks, dense.tolist()))
        opened = self._tenants.find_or_create(tenant)
        if not all(map(opened.slots.take, {item.chunk.key.attempt_id for item in chunks})):
            raise ValueError("an attempt that was never recorded has the slot of another")
        opened.update_chunks(edge.UpdateOperation.upsert_points(points), len(points))
        opened.written.chunks_written(item.chunk.key for item in chunks)

    async def existing(self, tenant: str, keys: Sequence[ChunkKey]) -> frozenset[ChunkKey]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return frozenset()
        unsure = []
        stored = set()
        for key in keys:
            written = opened.written.find(key.attempt_id)
            if written is None:
                unsure.append(key)
            elif key.ordinal in written.ordinals:
                stored.add(key)
        return frozenset(stored.union(_keys_of(opened, _retrieve(opened, unsure, with_payload=False))))

    async def count(self, tenant: str, attempt_id: str) -> int:
        opened = self._tenants.find(tenant)
        if opened is None:
            return 0
        written = opened.written.find(attempt_id)
        if written is not None:
            return len(written.ordinals)
        wanted = edge.Filter(must=[match("attempt_id", attempt_id)])
        with engine_errors("count"):
            return opened.chunks.count(edge.CountRequest(filter=wanted, exact=True))

    async def highest_ordinal(self, tenant: str, attempt_id: str) -> int:
        opened = self._tenants.find(tenant)
        if opened is None:
            return -1
        written = opened.written.find(attempt_id)
        if written is not None:
            return max(written.ordinals, default=-1)
        wanted = edge.Filter(must=[match("attempt_id", attempt_id)])
        with engine_errors("highest_ordinal"):
            ids = [cast("int", record.id) for record in scroll(opened.chunks, wanted, with_payload=False)]
        return max(map(ordinal_in, ids), default=-1)

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        opened = self._tenants.find(tenant)
        plan = _plan(opened, query) if opened else None
        if opened is None or plan is None:
            nothing = Leg()
            return Legs(
                nothing if query.dense is not None else None, nothing if query.sparse is not None else None
            )
        requests = _requests(query, plan.depth, plan.filter, plan.filter)
        dense, sparse = _ask(opened.chunks, requests, "search")
        return Legs(
            None if dense is None else _to_leg(opened, dense, plan, query.depth),
            None if sparse is None else _to_leg(opened, sparse, plan, query.depth),
        )

    async def score(self, tenant: str, query: ChunkQuery, keys: ChunkKeys) -> Legs:
        opened = self._tenants.find(tenant)
        if opened is None or not (keys.dense or keys.sparse):
            return Legs(None, None)
        asked = ChunkQuery(
            query.dense if keys.dense else None, query.sparse if keys.sparse else None, query.depth
        )
        limit = max(len(keys.dense), len(keys.sparse))
        requests = _requests(asked, limit, _one_of(keys.dense), _one_of(keys.sparse))
        dense, sparse = _ask(opened.chunks, requests, "score")
        return Legs(
            None if dense is None else Leg(_to_hits(opened, dense)),
            None if sparse is None else Leg(_to_hits(opened, sparse)),
        )

    async def fetch(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        found = _retrieve(self._tenants.find(tenant), keys, with_payload=True)
        payloads = (record.payload for record in found)
        chunks = (chunk_from_payload(payload) for payload in payloads if payload is not None)
        return {chunk.key: chunk for chunk in chunks}

    async def embedded(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, EmbeddedChunk]:
        found = _retrieve(self._tenants.find(tenant), keys, with_payload=True, with_vectors=True)
        return {item.chunk.key: item for item in map(_from_record, found)}

    async def between(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[Chunk]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return ()
        wanted = edge.Filter(must=[match("attempt_id", attempt_id), *touching(char_start, char_end)])
        with engine_errors("between"):
            found = [r.payload for r in scroll(opened.chunks, wanted, with_payload=True) if r.payload]
        return sorted(map(chunk_from_payload, found), key=lambda chunk: chunk.key.ordinal)

    async def idf(self, tenant: str, terms: Collection[int]) -> Mapping[int, float]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return dict.fromkeys(terms, idf_of_unseen(0))
        unknown = [term for term in terms if term not in opened.idf]
        if unknown:
            if len(opened.idf) > _MAX_REMEMBERED_TERMS:
                opened.idf.clear()
                unknown = list(terms)
            with engine_errors("idf"):
                opened.idf.update(probe_idf(opened.chunks, unknown))
        return {term: opened.idf[term] for term in terms}


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to ask the engine."""

    depth: int
    filter: edge.Filter | None = None
    keep: Set[str] | None = None
    """Of the hits, keep those of these attempts; None keeps all."""


def _plan(opened: EdgeTenant, query: ChunkQuery) -> _Plan | None:
    """None: no document passes the filter."""
    if not query.filter:
        return _Plan(query.depth)
    selection = opened.catalogue.select(query.filter)
    passing = selection.attempt_ids
    if not passing:
        return None
    if len(passing) <= _MAX_NAMED_ATTEMPTS:
        named = edge.FieldCondition("attempt_id", match=edge.MatchAny(sorted(passing)))
        return _Plan(query.depth, edge.Filter(must=[named]))
    stored = opened.chunks.info().points_count
    expected = query.depth * stored / selection.chunk_count
    return _Plan(min(stored, math.ceil(expected * _DEPTH_MARGIN)), keep=passing)


def touching(char_start: int, char_end: int) -> tuple[edge.FieldCondition, edge.FieldCondition]:
    """The conditions that a piece of text shares a character with [char_start, char_end)."""
    return (
        edge.FieldCondition("char_start", range=edge.RangeFloat(lt=char_end)),
        edge.FieldCondition("char_end", range=edge.RangeFloat(gt=char_start)),
    )


def _to_point(item: EmbeddedChunk, dense: list[float]) -> edge.Point:
    return edge.Point(
        point_id(item.chunk.key),
        {DENSE: dense, SPARSE: _to_edge(item.sparse)},
        chunk_to_payload(item.chunk),
    )


def _from_record(record: edge.Record) -> EmbeddedChunk:
    vectors: Any = record.vector
    stored = np.asarray(vectors[DENSE], dtype=np.float32)
    sparse = vectors.get(SPARSE) or edge.SparseVector([], [])
    return EmbeddedChunk(
        chunk_from_payload(record.payload or {}),
        stored / np.linalg.norm(stored),  # half precision: the length is 1 within 1e-4
        SparseVector(tuple(sparse.indices), tuple(sparse.values)),
    )


def _to_edge(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(list(vector.indices), list(vector.values))


def _retrieve(
    opened: EdgeTenant | None, keys: Sequence[ChunkKey], *, with_payload: bool, with_vectors: bool = False
) -> list[edge.Record]:
    if opened is None or not keys:
        return []
    ids: list[edge.PointId] = [point_id(key) for key in keys]
    with engine_errors("retrieve"):
        return opened.chunks.retrieve(ids, with_payload, with_vectors)


def _keys_of(opened: EdgeTenant, points: Points) -> list[ChunkKey]:
    ids = [cast("int", point.id) for point in points]
    try:
        return opened.slots.keys(ids)
    except KeyError:
        # Leftovers of an earlier process: their payload says whose they are.
        unknown: list[edge.PointId] = [*opened.slots.unknown(ids)]
        with engine_errors("retrieve"):
            for record in opened.chunks.retrieve(unknown, ["attempt_id"], False):
                opened.slots.take((record.payload or {})["attempt_id"])
        return opened.slots.keys(ids)


def _to_hits(opened: EdgeTenant, points: Sequence[edge.ScoredPoint]) -> tuple[Hit, ...]:
    return tuple(map(Hit, _keys_of(opened, points), [point.score for point in points]))


def _to_leg(opened: EdgeTenant, points: Sequence[edge.ScoredPoint], plan: _Plan, wanted: int) -> Leg:
    hits = _to_hits(opened, points)
    if plan.keep is not None:
        hits = tuple(hit for hit in hits if hit.key.attempt_id in plan.keep)
    return Leg(hits[:wanted], is_cut=len(points) >= plan.depth or len(hits) > wanted)


def _requests(
    query: ChunkQuery, limit: int, dense_filter: edge.Filter | None, sparse_filter: edge.Filter | None
) -> tuple[edge.QueryRequest | None, edge.QueryRequest | None]:
    def request(vector: edge.Query, wanted: edge.Filter | None) -> edge.QueryRequest:
        return edge.QueryRequest(
            limit=limit, query=vector, filter=wanted, with_payload=False, with_vector=False
        )

    dense, sparse = query.dense, query.sparse
    return (
        None if dense is None else request(edge.Query.Nearest(dense.tolist(), using=DENSE), dense_filter),
        None
        if sparse is None
        else request(edge.Query.Nearest(_to_edge(sparse), using=SPARSE), sparse_filter),
    )


def _ask(
    shard: edge.EdgeShard,
    requests: tuple[edge.QueryRequest | None, edge.QueryRequest | None],
    operation: str,
) -> tuple[list[edge.ScoredPoint] | None, list[edge.ScoredPoint] | None]:
    """Both questions in one batch; None for the one that was not asked."""
    with engine_errors(operation):
        asked = [request for request in requests if request is not None]
        answers = iter(shard.query_batch(edge.QueryBatchRequest(asked)))
    dense, sparse = requests
    return (None if dense is None else next(answers), None if sparse is None else next(answers))


def _one_of(keys: Collection[ChunkKey]) -> edge.Filter:
    return edge.Filter(must=[edge.HasIdCondition(set(map(point_id, keys)))])
