"""BM25 term vectors: what the word index stores and is asked with.

A document vector holds each term's saturated frequency, tf·(k1+1) / (tf + k1·(1 − b + b·length/average));
a query vector holds 1 for each distinct term; the engine multiplies by idf at search time, so the sum over
common terms is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond").
"""

from __future__ import annotations

import qdrant_edge as edge

from services.retrieval.language_terms import text_terms
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
"""Length in terms, stop words left out, at which the weight of a term is neither raised nor lowered.

That of an average chunk of 500 characters. Those of 800 have 62, yet rank better with 40: nDCG@10 by words
on cranfield/medline/cisi is .528/.713/.323, with 62 it is .528/.706/.320."""

AVERAGE_GRAMS = 700.0
"""The same for character pairs and single characters, in writing without spaces: of 500 characters about
three quarters are letters, each of which counts alone and in a pair."""

MAX_TERM_WEIGHT = K1 + 1.0
"""What the weight of a term tends to as its frequency grows; it never gets there."""


class Bm25Encoder:
    """Makes the vectors for one language (one of LANGUAGES). Raises ValueError for another.

    Words, character pairs and identifiers are three fields, each with a length of its own: a passage with
    many identifiers is not a long one, and Chinese has more pairs than English has words.
    """

    def __init__(self, language: str) -> None:
        def model(b: float, average: float) -> edge.Bm25:
            return edge.Bm25(edge.Bm25Config(k=K1, b=b, avg_len=average, language=language))

        self._language = language
        self._words = model(B, AVERAGE_TERMS)
        self._grams = model(B, AVERAGE_GRAMS)
        self._identifiers = model(0.0, AVERAGE_TERMS)

    @property
    def name(self) -> str:
        """The scheme and its parameters; recorded with the store."""
        averages = f"{AVERAGE_TERMS:g},{AVERAGE_GRAMS:g}"
        return f"bm25/{self._language}/k1={K1}/b={B}/average={averages}/terms=2"

    def document(self, text: str) -> SparseVector:
        """The vector of a passage; empty when it has stop words and punctuation only. About 50 µs."""
        terms = text_terms(text, is_question=False)
        return _merged(
            self._words.embed_document(terms.words),
            self._grams.embed_document(terms.grams) if terms.grams else None,
            self._identifiers.embed_document(terms.identifiers) if terms.identifiers else None,
        )

    def query(self, text: str) -> SparseVector:
        """The vector of a question: 1 for each distinct term."""
        terms = text_terms(text, is_question=True)
        return _merged(
            self._words.embed_query(terms.words),
            self._grams.embed_query(terms.grams) if terms.grams else None,
            self._identifiers.embed_query(terms.identifiers) if terms.identifiers else None,
        )


def _merged(words: edge.SparseVector, *others: edge.SparseVector | None) -> SparseVector:
    """One vector of all fields; a term of two of them (`1234`, of `1,234` too) has its higher weight."""
    if all(vector is None for vector in others):
        return SparseVector(tuple(words.indices), tuple(words.values))
    weights = dict(zip(words.indices, words.values, strict=True))
    for vector in others:
        if vector is not None:
            for index, value in zip(vector.indices, vector.values, strict=True):
                weights[index] = max(value, weights.get(index, 0.0))
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[index] for index in indices))
