"""Passages made ready for both indexes: their vectors and their terms."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.retrieval.embedders.protocol import Embedder
from services.retrieval.store.questions import SparseVector
from services.retrieval.terms.bm25 import Bm25Encoder

_TURN_TEXTS = 32
"""Texts whose terms are made between two turns of the event loop: about 2 ms."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Some texts, in their order."""

    dense: NDArray[np.float32]
    """Shape (texts, dimensions)."""
    sparse: Sequence[SparseVector]


class PassageEncoder:
    """Asks the embedder, and makes the terms in this process."""

    def __init__(self, embedder: Embedder, terms: Bm25Encoder) -> None:
        self._embedder = embedder
        self._terms = terms

    @property
    def batch_texts(self) -> int:
        """How many texts to hand over at a time."""
        return self._embedder.batch_texts

    async def encode(self, texts: Sequence[str], language: str) -> Encoded:
        """None of `texts` is blank; `language` is the code of them all. Raises EMBEDDER_UNAVAILABLE."""
        dense = await self._embedder.embed_passages(texts)
        sparse = []
        for number, text in enumerate(texts, start=1):
            sparse.append(self._terms.document(text, language))
            if number % _TURN_TEXTS == 0:
                await asyncio.sleep(0)
        return Encoded(dense, sparse)
