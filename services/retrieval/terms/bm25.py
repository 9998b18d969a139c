"""BM25 term vectors: what the word index stores and is asked with.

A document vector holds each term's saturated frequency, tf·(k1+1) / (tf + k1·(1 − b + b·length/average));
a query vector holds 1 for each distinct term; the engine multiplies by idf at search time, so the sum over
common terms is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond").

Each document has the terms of its own language: its stemmer, its stop words, and ids of its own, so that
German `die` is not the English verb, and each language keeps its own document frequencies. A question is
asked under every language there are documents in (`question.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import qdrant_edge as edge

from services.retrieval.store.questions import SparseVector
from services.retrieval.terms.language import text_terms

LANGUAGES = {
    "arabic": "ar", "azerbaijani": "az", "basque": "eu", "bengali": "bn", "catalan": "ca", "chinese": "zh",
    "danish": "da", "dutch": "nl", "english": "en", "finnish": "fi", "french": "fr", "german": "de",
    "greek": "el", "hebrew": "he", "hinglish": "", "hungarian": "hu", "indonesian": "id", "italian": "it",
    "japanese": "ja", "kazakh": "kk", "nepali": "ne", "norwegian": "no", "portuguese": "pt",
    "romanian": "ro", "russian": "ru", "slovene": "sl", "spanish": "es", "swedish": "sv", "tajik": "tg",
    "turkish": "tr",
}  # fmt: skip
"""Languages whose stop words (and stemmer, where there is one) Qdrant's BM25 knows, with their codes."""

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

# Their own writing is found by groups of characters, the same under every language: a question need not be
# asked under one more for them.
_FOUND_BY_GRAMS = frozenset({"chinese", "japanese"})
_STEMMED = {
    code: language for language, code in LANGUAGES.items() if code and language not in _FOUND_BY_GRAMS
}
_WORD = re.compile(r"[^\W_]+")


class _Words(NamedTuple):
    """How words become terms in one language."""

    model: edge.Bm25
    salt: int
    """Tells its terms from those of other languages: their ids differ by it in each bit it has."""


class Bm25Encoder:
    """Makes the vectors; `language` (a key of LANGUAGES) is the store's own. Raises ValueError for another.

    It holds for texts in no language, or in one that is not stemmed here. Words, character pairs and
    identifiers are three fields, each with a length of its own: a passage with many identifiers is not a
    long one, and Chinese has more pairs than English has words. Only words differ between languages.
    """

    def __init__(self, language: str) -> None:
        self._own = language
        self._grams = _model(language, B, AVERAGE_GRAMS)
        self._identifiers = _model(language, 0.0, AVERAGE_TERMS)
        # Stores from before there were other languages hold the terms of their own without a salt.
        self._words = {language: _Words(_model(language, B, AVERAGE_TERMS), 0)}

    @property
    def name(self) -> str:
        """The scheme and its parameters; recorded with the store."""
        averages = f"{AVERAGE_TERMS:g},{AVERAGE_GRAMS:g}"
        return f"bm25/{self._own}/k1={K1}/b={B}/average={averages}/terms=2"

    @property
    def own_code(self) -> str:
        """The code of the store's own language."""
        return LANGUAGES[self._own]

    def language_of(self, code: str) -> str:
        """The key of LANGUAGES under which texts in the language `code` are indexed; else the store's."""
        return _STEMMED.get(code, self._own)

    def document(self, text: str, code: str) -> SparseVector:
        """The vector of a passage in the language `code`; "": in none that is known. About 50 µs.

        Empty when it has stop words and punctuation only.
        """
        terms = text_terms(text, is_question=False)
        words, salt = self._of(self.language_of(code))
        return _merged(
            _salted(words.embed_document(terms.words), salt),
            self._grams.embed_document(terms.grams) if terms.grams else None,
            self._identifiers.embed_document(terms.identifiers) if terms.identifiers else None,
        )

    def query(self, text: str, language: str = "") -> SparseVector:
        """The vector of a question under `language` (a key of LANGUAGES; "": the store's own).

        1 for each distinct term.
        """
        terms = text_terms(text, is_question=True)
        words, salt = self._of(language or self._own)
        return _merged(
            _salted(words.embed_query(terms.words), salt),
            self._grams.embed_query(terms.grams) if terms.grams else None,
            self._identifiers.embed_query(terms.identifiers) if terms.identifiers else None,
        )

    def stop_words(self, text: str, languages: Iterable[str]) -> dict[str, frozenset[str]]:
        """By language, the distinct words of `text`, in lower case, that are stop words of it."""
        words = set(_WORD.findall(text.lower()))
        return {
            language: frozenset(w for w in words if not self._of(language).model.embed_query(w).indices)
            for language in languages
        }

    def _of(self, language: str) -> _Words:
        found = self._words.get(language)
        if found is None:
            digest = hashlib.blake2b(language.encode(), digest_size=4).digest()
            # Term ids have 31 bits.
            found = _Words(_model(language, B, AVERAGE_TERMS), int.from_bytes(digest) >> 1)
            self._words[language] = found
        return found


def _model(language: str, b: float, average: float) -> edge.Bm25:
    return edge.Bm25(edge.Bm25Config(k=K1, b=b, avg_len=average, language=language))


def _salted(vector: edge.SparseVector, salt: int) -> SparseVector:
    if not salt:
        return SparseVector(tuple(vector.indices), tuple(vector.values))
    pairs = sorted((index ^ salt, value) for index, value in zip(vector.indices, vector.values, strict=True))
    return SparseVector(tuple(index for index, _ in pairs), tuple(value for _, value in pairs))


def _merged(words: SparseVector, *others: edge.SparseVector | None) -> SparseVector:
    """One vector of all fields; a term of two of them (`1234`, of `1,234` too) has its higher weight."""
    if all(vector is None for vector in others):
        return words
    weights = dict(zip(words.indices, words.values, strict=True))
    for vector in others:
        if vector is not None:
            for index, value in zip(vector.indices, vector.values, strict=True):
                weights[index] = max(value, weights.get(index, 0.0))
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[index] for index in indices))
