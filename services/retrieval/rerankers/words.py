"""Words as the local reranker sees them: a number each, with a short vector and a term of the word index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.retrieval.store.questions import SparseVector

SENTENCE_END = 0
"""The id of whatever ends a sentence."""
NO_TERM = 0
"""The term of words the index leaves out (stop words), and of sentence ends."""

# Characters of scripts without spaces are words of their own.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[.!?]+$|[。！？]+")

_DIMENSIONS = 64
"""The vectors' first components carry most (wordllama is trained so that they may be cut: Kusupati et al.,
"Matryoshka Representation Learning", 2022); all 256 order about as well."""
_MAX_WORDS = 30_000
"""About 10 MB. When it is full it begins anew."""
_MAX_TOKENS = 100_000


class WordEmbedder(Protocol):
    """A model without latency, such as the local one."""

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector a text, of length 1."""
        ...


class TermEncoder(Protocol):
    """What makes terms of words."""

    def query(self, text: str) -> SparseVector:
        """The terms of a text."""
        ...


class WordTable:
    """Numbers words as they are met. The numbers hold until the next `number`."""

    def __init__(self, embedder: WordEmbedder, encoder: TermEncoder) -> None:
        self._embedder = embedder
        self._encoder = encoder
        self._edition = 0
        self._clear()

    @property
    def edition(self) -> int:
        """Changes whenever the table begins anew, and all words get other numbers."""
        return self._edition

    def _clear(self) -> None:
        self._edition += 1
        # By what stands between white space, `wing.` for example: a word and a sentence's end.
        self._tokens: dict[str, tuple[int, ...]] = {}
        self._ids: dict[str, int] = {}
        self._size = 1
        self._vectors = np.zeros((1024, _DIMENSIONS), dtype=np.float32)
        self._terms = np.zeros(1024, dtype=np.int64)
        self._inexact = np.zeros(1024, dtype=bool)
        self._index_terms = [0]
        self._term_numbers: dict[int, int] = {}

    @property
    def vectors(self) -> NDArray[np.float32]:
        """By id; of length 1, that of a sentence end is 0."""
        return self._vectors

    @property
    def terms(self) -> NDArray[np.int64]:
        """By id: a number for the term, the same for words that the index takes for one; or NO_TERM."""
        return self._terms

    @property
    def index_terms(self) -> Sequence[int]:
        """By the number of a term: what the index calls it."""
        return self._index_terms

    @property
    def inexact(self) -> NDArray[np.bool_]:
        """By id: whether a word like it will do. Not so for numbers and codes: 2021 is not 2022."""
        return self._inexact

    async def number(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The ids of each text's words, a SENTENCE_END behind each sentence and at the text's end."""
        lines = [text.lower().replace("\n\n", " . ").split() for text in texts]
        if self._size > _MAX_WORDS or len(self._tokens) > _MAX_TOKENS:
            self._clear()
        while unknown := set().union(*lines).difference(self._tokens):
            # Another search may clear the table while this one waits: hence the loop.
            await self._learn(unknown)
        ids = self._tokens.__getitem__
        return [
            np.array([*chain.from_iterable(map(ids, line)), SENTENCE_END], dtype=np.int64) for line in lines
        ]

    async def _learn(self, tokens: Iterable[str]) -> None:
        parts = {token: _WORD.findall(token) for token in tokens}
        words = sorted({word for found in parts.values() for word in found if _is_word(word)} - {*self._ids})
        if words:
            vectors = (await self._embedder.embed_passages(words))[:, :_DIMENSIONS]
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
            self._reserve(self._size + len(words))
            for word, vector in zip(words, vectors, strict=True):
                if word not in self._ids:
                    self._add(word, vector)
        ids = self._ids
        for token, found in parts.items():
            if all(word in ids or not _is_word(word) for word in found):
                self._tokens[token] = tuple(ids.get(word, SENTENCE_END) for word in found)

    def _add(self, word: str, vector: NDArray[np.float32]) -> None:
        new = self._size
        self._ids[word] = new
        self._vectors[new] = vector
        self._inexact[new] = word.isalpha()
        found = self._encoder.query(word).indices
        if found:
            term = self._term_numbers.setdefault(found[0], len(self._index_terms))
            if term == len(self._index_terms):
                self._index_terms.append(found[0])
            self._terms[new] = term
        self._size += 1

    def _reserve(self, size: int) -> None:
        if size > len(self._terms):
            missing = max(size, 2 * len(self._terms)) - len(self._terms)
            self._vectors = np.vstack([self._vectors, np.zeros((missing, _DIMENSIONS), dtype=np.float32)])
            self._terms = np.append(self._terms, np.zeros(missing, dtype=np.int64))
            self._inexact = np.append(self._inexact, np.zeros(missing, dtype=bool))


def _is_word(part: str) -> bool:
    return part[0] not in ".!?。！？"
