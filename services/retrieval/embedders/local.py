"""The default embedder: wordllama's static word-piece vectors, which come inside its wheel.

A text's vector is the mean of its pieces' vectors. No model runs, nothing is downloaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.retrieval.embedders.texts import refuse_blank
from services.retrieval.embedders.word_vectors import WordVectors

MODEL = "wordllama-256"
DIMENSIONS = 256

# Between two batches other tasks have their turn: 32 chunks take 1 ms. A thread would help nobody, since the
# work is done under the interpreter lock.
_BATCH_TEXTS = 32


class LocalEmbedder:
    """Implements `Embedder`. Build with `load`."""

    def __init__(self, words: WordVectors) -> None:
        """`words` has vectors of 256 components."""
        self._words = words

    @classmethod
    def load(cls) -> LocalEmbedder:
        """Reads the model from the installed package (0.15 s)."""
        # Imported late: importing wordllama sets up the root logger.
        import wordllama

        # Left to itself, 0.4.0.post1 looks for its tokenizer in another folder and then asks the network.
        folder = Path(wordllama.__file__).parent
        model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, dim=DIMENSIONS)
        return cls(WordVectors(model.tokenizer, np.asarray(model.embedding, dtype=np.float32)))

    @property
    def name(self) -> str:
        return f"local/{MODEL}"

    @property
    def dimensions(self) -> int:
        return DIMENSIONS

    @property
    def batch_texts(self) -> int:
        return _BATCH_TEXTS

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        refuse_blank(texts)
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), _BATCH_TEXTS):
            batch = list(texts[start : start + _BATCH_TEXTS])
            vectors[start : start + len(batch)] = self.embed(batch)
            await asyncio.sleep(0)
        return vectors

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        refuse_blank((text,))
        vector: NDArray[np.float32] = self.embed([text])[0]
        return vector

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `embed_passages`, at once: for a process that has nothing else to do. No text may be blank."""
        sums = self._words.sums(texts)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        vectors: NDArray[np.float32] = sums / np.maximum(lengths, np.finfo(np.float32).tiny)
        return vectors
