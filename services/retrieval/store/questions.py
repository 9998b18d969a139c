"""What is asked of a store's indexes and what they answer: chunks with their vectors, questions, hits."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.retrieval.filtering.conditions import Filter
from services.retrieval.model import Chunk, ChunkKey


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term ids (ascending, unique) and their weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk with its vectors, ready to be stored. What has one of them is found by that index."""

    chunk: Chunk
    dense: NDArray[np.float32] | None
    """Shape (dimensions,), of length 1; None: not made yet."""
    sparse: SparseVector | None
    """BM25 weights, without idf: the engine applies that at search time. None: not made yet."""


Hits: TypeAlias = Mapping[ChunkKey, float]
"""Chunks with what one index gives them, best first: cosines (-1 to 1) from the dense one, BM25 (0 or more)
from the sparse one."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What one index found."""

    hits: Hits = field(default_factory=dict)
    is_cut: bool = False
    """Whether asking for more could find more."""


def leg(hits: Hits, wanted: int, keep: AbstractSet[str] | None, *, is_cut: bool) -> Leg:
    """The first `wanted` hits, of the attempts `keep` (None: all); `is_cut`: whether the index had more."""
    if keep is not None:
        hits = {key: score for key, score in hits.items() if key.attempt_id in keep}
    if len(hits) <= wanted:
        return Leg(hits, is_cut)
    return Leg(dict(islice(hits.items(), wanted)), is_cut=True)


@dataclass(frozen=True, slots=True)
class Legs:
    """The answers of both indexes to one question; a leg that was not asked is None."""

    dense: Leg | None
    sparse: Leg | None
    idf: Mapping[int, float] = field(default_factory=dict)
    """Of every term of the question, as `ChunkStore.idf`, when the sparse index was searched with them."""
    relied_on: frozenset[str] = frozenset()
    """Attempts without hits that a filter found live before. One that is dead by now was replaced meanwhile,
    and its chunks may be deleted."""
    passed_over: frozenset[str] = frozenset()
    """Attempts whose hits a filter left out. One that passes now was committed meanwhile."""


@dataclass(frozen=True, slots=True)
class ChunkQuery:
    """A question to both indexes, in one round trip."""

    dense: NDArray[np.float32] | None
    sparse: SparseVector | None
    depth: int
    """Hits wanted from each index."""
    filter: Filter = field(default_factory=Filter)
    """Leave out documents that do not pass. A store may let some through (the domain checks each hit's
    record), but never loses one that passes."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What a search has still to know of chunks it found."""

    dense: frozenset[ChunkKey] = frozenset()
    """To be scored by the dense index."""
    sparse: frozenset[ChunkKey] = frozenset()
    """To be scored by the sparse one."""
    texts: frozenset[ChunkKey] = frozenset()
    """To be fetched."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.dense or self.sparse or self.texts)


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to `Missing`. Chunks that are gone are left out."""

    dense: Hits = field(default_factory=dict)
    sparse: Hits = field(default_factory=dict)
    """Chunks without a term of the question are left out."""
    chunks: Mapping[ChunkKey, Chunk] = field(default_factory=dict)
