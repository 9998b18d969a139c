"""What retrieval asks of an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into vectors whose cosine says how close their meanings are.

    Passages and queries are embedded by the same model; a store filled by one embedder is never
    searched by another.
    """

    @property
    def name(self) -> str:
        """Provider and model, for example `local/wordllama-256`; recorded with the store."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        ...

    @property
    def batch_texts(self) -> int:
        """How many texts to hand over at a time, so that what is done early can be used early."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, in order: shape (len(texts), dimensions), finite, of length 1.

        No text may be blank (ValueError). Raises EMBEDDER_UNAVAILABLE when the model cannot be reached.
        Does not hold the event loop longer than a few milliseconds.
        """
        ...

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a question, shape (dimensions,). As `embed_passages` otherwise."""
        ...
