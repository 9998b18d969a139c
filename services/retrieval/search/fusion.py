"""Putting two rankings together. Fusion orders; it does not judge: see `scoring` for that.

A chunk that only one index found has a score of the other one, too, and knowing it matters: with 100 hits of
each index, nDCG@10 over four collections rose from .535 to .545 by it. But asking for it costs time, and
few of those chunks can come up: what an index did not find is no better than the worst it found. So a method
first names the contenders for the best places (the threshold algorithm of Fagin, Lotem and Naor, "Optimal
aggregation algorithms for middleware", PODS 2001), and when both scores of those are known, it fuses. The
best are the same, in the same order, as if all scores were known. So much for an index that finds what there
is: what a graph of vectors overlooked, and too few words speak for, stays behind as if it were far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from heapq import nlargest
from typing import Protocol, TypeAlias

from services.retrieval.model import ChunkKey
from services.retrieval.store.questions import Hits

_ROUNDING = 1e-12
"""Sums of the same parts in another order differ by less."""

RRF_K = 60
"""Rank offset of reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009)."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What the two rankings are weighed by."""

    dense_weight: float
    """Share of the dense ranking, 0..1; the sparse one has the rest."""
    unrelated: float = 0.0
    """The cosine of texts that have nothing to do with each other."""


class Fuser(Protocol):
    """Fuses the rankings of one question. Made of what each index found, live chunks only."""

    def contenders(self, best: int) -> AbstractSet[ChunkKey]:
        """The chunks of which the `best` are made, once both scores of these are known."""
        ...

    def fuse(self, dense: Hits, sparse: Hits) -> dict[ChunkKey, float]:
        """A value 0..1 for each chunk, which means nothing across questions.

        A chunk without a score counts as the worst an index could give; one better than all that were found
        (an approximate index overlooked it), as the best of these.
        """
        ...


Fusion: TypeAlias = "Callable[[Hits, Hits, Balance], Fuser]"
"""Makes a fuser of what the dense and what the sparse index found."""


class MinMax:
    """Weighted mean of the scores, each index's stretched so that the best hit has 1 and the worst text 0.

    The worst is no word in common for the sparse index, and the cosine of unrelated texts for the dense one
    (or the lowest of its hits, where that is lower). Bruch, Gai and Ingber, "An Analysis of Fusion Functions
    for Hybrid Retrieval" (TOIS 2023), find a theoretical minimum better than that of the hits, and both
    better than RRF. As we do, but for their minimum of -1, which leaves an embedder little say.
    """

    def __init__(self, dense: Hits, sparse: Hits, balance: Balance) -> None:
        self._dense, self._sparse = dense, sparse
        self._lowest = min([balance.unrelated, *dense.values()])
        self._width = width = max(dense.values(), default=0.0) - self._lowest
        most = max(sparse.values(), default=0.0)
        # A ranking without hits has no say.
        weight = balance.dense_weight if dense and sparse else float(bool(dense))
        self._of_dense = weight / width if width else 0.0
        self._of_sparse = (1.0 - weight) / most if most else 0.0

    def contenders(self, best: int) -> AbstractSet[ChunkKey]:
        known = self.fuse(self._dense, self._sparse)
        if len(known) <= best:
            return known.keys()
        least = nlargest(best, known.values())[-1]
        if not (self._dense and self._sparse):
            return {key for key, value in known.items() if value >= least}
        # What is missing may be as good as the worst that was found.
        if_not_dense = self._of_dense * (min(self._dense.values()) - self._lowest)
        if_not_sparse = self._of_sparse * min(self._sparse.values())
        return {
            key
            for key, value in known.items()
            if value >= least
            or (key not in self._dense and value + if_not_dense + _ROUNDING >= least)
            or (key not in self._sparse and value + if_not_sparse + _ROUNDING >= least)
        }

    def fuse(self, dense: Hits, sparse: Hits) -> dict[ChunkKey, float]:
        lowest, width, of_dense, of_sparse = self._lowest, self._width, self._of_dense, self._of_sparse
        return {
            key: of_dense * min(width, max(0.0, dense.get(key, lowest) - lowest))
            + of_sparse * sparse.get(key, 0.0)
            for key in dense.keys() | sparse.keys()
        }


class ReciprocalRank:
    """Weighted mean of (RRF_K + 1) / (RRF_K + rank), rank from 1; nothing from an index counts 0.

    Any score may change any rank: every chunk is a contender.
    """

    def __init__(self, dense: Hits, sparse: Hits, balance: Balance) -> None:
        self._found = dense.keys() | sparse.keys()
        self._dense_weight = balance.dense_weight

    def contenders(self, best: int) -> AbstractSet[ChunkKey]:  # noqa: ARG002  # as the seam has it
        return self._found

    def fuse(self, dense: Hits, sparse: Hits) -> dict[ChunkKey, float]:
        by_dense, by_sparse = _by_rank(dense), _by_rank(sparse)
        # A ranking without hits has no say.
        weight = self._dense_weight if dense and sparse else float(bool(dense))
        return {
            key: weight * by_dense.get(key, 0.0) + (1.0 - weight) * by_sparse.get(key, 0.0)
            for key in dense.keys() | sparse.keys()
        }


def ranked(fused: Mapping[ChunkKey, float]) -> list[ChunkKey]:
    """Best first; equals in the order of their keys, so that the same question has the same answer."""
    return [key for _, key in sorted((-value, key) for key, value in fused.items())]


def _by_rank(scores: Hits) -> Hits:
    return {key: (RRF_K + 1) / (RRF_K + rank) for rank, key in enumerate(ranked(scores), start=1)}
