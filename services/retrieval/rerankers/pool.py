"""The candidates of one search beside each other: which terms mark the best, and which passages are akin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.retrieval.rerankers.products import product
from services.retrieval.rerankers.words import NO_TERM
from services.retrieval.terms.bm25 import AVERAGE_TERMS, K1, B

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_FEEDBACK_PASSAGES = 25
_FEEDBACK_TERMS = 60
"""With 30 the smallest collection loses .03 nDCG@10; more of them ask more of the index."""
_KIN = 20
"""Nearest passages each is smoothed by; with 10 or 30 the five collections gain nearly as much."""
_STEPS = 30
"""What is left of a score's error after them is strength^30, 4 % at the strongest smoothing."""


class Pool:
    """The candidates as BM25 weights, without idf: one row a candidate, one column a term."""

    def __init__(self, flat: Ids, lengths: Ids) -> None:
        """`flat`: the terms of all candidates, one after the other; `lengths`: how many each has."""
        rows = np.repeat(np.arange(len(lengths)), lengths)[flat != NO_TERM]
        self.terms, columns = distinct(flat[flat != NO_TERM])
        shape = len(lengths), len(self.terms)
        counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
        indexed = counts.sum(axis=1, keepdims=True)
        self.weights: Floats = counts * (K1 + 1) / (counts + K1 * (1 - B + B * indexed / AVERAGE_TERMS))
        self._spread = (counts > 0).sum(axis=0)
        self.rarity: Floats = np.log1p((shape[0] - self._spread + 0.5) / (self._spread + 0.5))
        """Of each term among the candidates, as idf has it in the index."""

    def marks(self, trust: Floats) -> tuple[Ids, Floats]:
        """Columns of the terms that tell the best candidates from the others, and how much each tells.

        `trust` says how good each candidate is, best first. The first choice goes by how many candidates
        have a term: the word index's own statistics would have to be asked for every one of them.
        """
        best = slice(0, _FEEDBACK_PASSAGES)
        totals = np.maximum(self.weights[best].sum(axis=1), 1e-9)
        value = ((trust[best] / totals) @ self.weights[best]) * self.rarity
        columns = np.argsort(-value, kind="stable")[:_FEEDBACK_TERMS]
        return columns, value[columns]

    def smoothed(self, scores: Floats, term_weights: Floats, strength: float) -> Floats:
        """`scores` made more alike between passages that say alike things; the range stays.

        Solves s = (1 - strength) · scores + strength · (mean s of the nearest passages, by likeness).
        `strength` is 0, which changes nothing, to .9; `term_weights` says how much each term counts for
        likeness.
        """
        kin, shares = self._kin(term_weights)
        own = (1.0 - strength) * scores
        shares *= strength
        for _ in range(_STEPS):
            scores = own + np.einsum("ij,ij->i", shares, scores[kin])
        return scores

    def _kin(self, term_weights: Floats) -> tuple[Ids, Floats]:
        """The nearest candidates of each, and the share each of them has in its score: a row adds up to 1."""
        likeness = self._likeness(term_weights)
        cut = max(0, len(likeness) - _KIN)
        kin = np.argpartition(likeness, cut, axis=1)[:, cut:]
        near = np.maximum(np.take_along_axis(likeness, kin, axis=1), 0.0)
        # Akin to none: nobody but itself has a say.
        alone = np.flatnonzero(~near.any(axis=1))
        kin[alone], near[alone] = alone[:, np.newaxis], 1.0
        return kin, near / near.sum(axis=1, keepdims=True)

    def _likeness(self, term_weights: Floats) -> Floats:
        """The cosine of each two candidates, -1 of each with itself."""
        vectors = (self.weights * term_weights).astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        # A term of one candidate alone makes it longer, and like nobody.
        common = vectors[:, self._spread > 1] / np.maximum(lengths, 1e-9)[:, np.newaxis]
        likeness = product(common, common.T)
        np.fill_diagonal(likeness, -1.0)
        return likeness.astype(np.float64)


def distinct(ids: Ids) -> tuple[Ids, Ids]:
    """As `np.unique` with its inverse, for small whole numbers: four times as fast."""
    seen = np.zeros(ids.max(initial=0) + 1, dtype=bool)
    seen[ids] = True
    found = np.flatnonzero(seen)
    place = np.zeros(len(seen), dtype=np.int64)
    place[found] = np.arange(len(found))
    return found, place[ids]
