"""Chunks as points of a Qdrant server."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from qdrant_client import grpc as q

from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.store.payloads import LACKS, chunk_from_payload, chunk_to_payload, lacks_of
from services.retrieval.store.questions import EmbeddedChunk, SparseVector
from services.retrieval.store.server.connection.points import (
    DENSE,
    SPARSE,
    dense_from,
    every,
    from_values,
    has_text,
    id_base,
    point_uuid,
    sparse_from,
    to_values,
)


def chunk_uuid(tenant: str, key: ChunkKey) -> str:
    """The id of a chunk's point, as text."""
    return point_uuid(id_base(tenant, key.attempt_id), key.ordinal)


def chunk_id(tenant: str, key: ChunkKey) -> q.PointId:
    """The id of a chunk's point."""
    return q.PointId(uuid=chunk_uuid(tenant, key))


def of_attempt(tenant: str, attempt_id: str) -> q.Filter:
    """The chunks of an attempt."""
    return every(has_text("attempt_id", attempt_id), has_text("tenant", tenant))


def to_point(tenant: str, item: EmbeddedChunk) -> q.PointStruct:
    """A chunk as it is stored. Raises ValueError for a vector that is not finite."""
    vectors: dict[str, q.Vector] = {}
    if item.dense is not None:
        if not np.isfinite(item.dense).all():
            # Qdrant 1.16 keeps such a vector and then ranks it first for every query.
            raise ValueError("a vector with a value that is no finite number must not be stored")
        vectors[DENSE] = q.Vector(dense=q.DenseVector(data=item.dense.tolist()))
    if item.sparse is not None:
        vectors[SPARSE] = q.Vector(sparse=to_sparse(item.sparse))
    return q.PointStruct(
        id=chunk_id(tenant, item.chunk.key),
        vectors=q.Vectors(vectors=q.NamedVectors(vectors=vectors)),
        payload=to_values({"tenant": tenant, **chunk_to_payload(item.chunk), **lacks_of(item)}),
    )


def to_sparse(vector: SparseVector) -> q.SparseVector:
    """A vector of terms."""
    return q.SparseVector(indices=vector.indices, values=vector.values)


def chunks_from(points: Iterable[q.RetrievedPoint | q.ScoredPoint]) -> dict[ChunkKey, Chunk]:
    """The chunks of points read with their payload, by key."""
    chunks = (chunk_from_payload(from_values(point.payload)) for point in points)
    return {chunk.key: chunk for chunk in chunks}


def from_point(point: q.RetrievedPoint) -> EmbeddedChunk:
    """A chunk of a point read with payload and vectors."""
    payload = from_values(point.payload)
    missing = payload.get(LACKS, ())
    dense: NDArray[np.float32] | None = None
    if "dense" not in missing:
        stored = np.asarray(dense_from(point.vectors, DENSE), dtype=np.float32)
        dense = stored / np.linalg.norm(stored)  # half precision: the length is 1 within 1e-4
    sparse: SparseVector | None = None
    if "terms" not in missing:
        indices, values = sparse_from(point.vectors, SPARSE)
        sparse = SparseVector(tuple(indices), tuple(values))
    return EmbeddedChunk(chunk_from_payload(payload), dense, sparse)
