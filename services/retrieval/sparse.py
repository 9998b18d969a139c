"""BM25 term vectors: what the word index stores and is asked with.

A document vector holds each term's saturated frequency, tf·(k1+1) / (tf + k1·(1 − b + b·length/average));
a query vector holds 1 for each distinct term; the engine multiplies by idf at search time, so the sum over
common terms is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond").
"""

from __future__ import annotations

import qdrant_edge as edge

from services.retrieval.store.protocol import SparseVector

LANGUAGES = (
    "arabic", "azerbaijani", "basque", "bengali", "catalan", "chinese", "danish", "dutch", "english",
    "finnish", "french", "german", "greek", "hebrew", "hinglish", "hungarian", "indonesian", "italian",
    "japanese", "kazakh", "nepali", "norwegian", "portuguese", "romanian", "russian", "slovene", "spanish",
    "swedish", "tajik", "turkish",
)  # fmt: skip
"""Languages whose stop words (and stemmer, where there is one) Qdrant's BM25 knows."""

K1 = 1.2
B = 0.75
AVERAGE_TERMS = 40.0
"""Terms of an average chunk, stop words left out: measured on 500-character chunks with their titles
(three collections of abstracts: 36 to 42)."""

MAX_TERM_WEIGHT = K1 + 1.0
"""What the weight of a term tends to as its frequency grows; it never gets there."""


class Bm25Encoder:
    """Makes the vectors for one language (one of LANGUAGES). Raises ValueError for another."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._model = edge.Bm25(edge.Bm25Config(k=K1, b=B, avg_len=AVERAGE_TERMS, language=language))

    @property
    def name(self) -> str:
        """The scheme and its parameters; recorded with the store."""
        return f"bm25/{self._language}/k1={K1}/b={B}/average={AVERAGE_TERMS:g}"

    def document(self, text: str) -> SparseVector:
        """The vector of a passage; empty when it has stop words and punctuation only. About 25 µs."""
        return _from_edge(self._model.embed_document(text))

    def query(self, text: str) -> SparseVector:
        """The vector of a question: 1 for each distinct term."""
        return _from_edge(self._model.embed_query(text))


def _from_edge(vector: edge.SparseVector) -> SparseVector:
    return SparseVector(tuple(vector.indices), tuple(vector.values))
