"""Chunks as points of Qdrant Edge, and conditions on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import qdrant_edge as edge

from services.retrieval.store.edge.slots import point_id
from services.retrieval.store.edge.space import DENSE, SPARSE
from services.retrieval.store.payloads import (
    LACKS,
    chunk_from_payload,
    chunk_to_payload,
    lacks_of,
)
from services.retrieval.store.questions import EmbeddedChunk, SparseVector


def to_points(chunks: Sequence[EmbeddedChunk]) -> list[edge.Point]:
    """The points of some chunks. Raises ValueError for a vector that is not finite."""
    dense = [item.dense for item in chunks if item.dense is not None]
    rows = np.stack(dense) if dense else np.empty((0, 0), dtype=np.float32)
    if not np.isfinite(rows).all():
        # Qdrant keeps such a vector and some versions then rank it first for every query.
        raise ValueError("a vector with a value that is no finite number must not be stored")
    lists = iter(rows.tolist())
    return [_to_point(item, None if item.dense is None else next(lists)) for item in chunks]


def _to_point(item: EmbeddedChunk, dense: list[float] | None) -> edge.Point:
    vectors: dict[str, Any] = {}
    if dense is not None:
        vectors[DENSE] = dense
    if item.sparse is not None:
        vectors[SPARSE] = to_edge(item.sparse)
    return edge.Point(point_id(item.chunk.key), vectors, chunk_to_payload(item.chunk) | lacks_of(item))


def from_record(record: edge.Record) -> EmbeddedChunk:
    """The chunk of a point read with its payload and its vectors."""
    payload, vectors = record.payload or {}, _vectors(record)
    dense = vectors.get(DENSE)
    sparse = vectors.get(SPARSE) or edge.SparseVector([], [])
    return EmbeddedChunk(
        chunk_from_payload(payload),
        None if dense is None else _unit(dense),
        None
        if "terms" in payload.get(LACKS, ())
        else SparseVector(tuple(sparse.indices), tuple(sparse.values)),
    )


def _vectors(record: edge.Record) -> dict[str, Any]:
    vectors: Any = record.vector
    return vectors or {}


def _unit(stored: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    row = np.asarray(stored, dtype=np.float32)
    return row / np.linalg.norm(row)  # half precision: the length is 1 within 1e-4


def to_edge(vector: SparseVector) -> edge.SparseVector:
    """A word vector as the engine takes it."""
    return edge.SparseVector(list(vector.indices), list(vector.values))


def touching(char_start: int, char_end: int) -> tuple[edge.FieldCondition, edge.FieldCondition]:
    """The conditions that a piece of text shares a character with [char_start, char_end)."""
    return (
        edge.FieldCondition("char_start", range=edge.RangeFloat(lt=char_end)),
        edge.FieldCondition("char_end", range=edge.RangeFloat(gt=char_start)),
    )
