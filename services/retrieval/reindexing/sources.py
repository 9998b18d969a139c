"""Which vectors a process can make: those of its own space, and of others what needs no more settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.retrieval.embedders.protocol import Embedder
from services.retrieval.reindexing.vectors import SpaceVectors, encoder_of
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.terms.bm25 import Bm25Encoder


class VectorSources:
    """Gives each space the means there are for it."""

    def __init__(
        self,
        embedder: Embedder,
        encoder: Bm25Encoder,
        others: Mapping[str, Embedder],
        load_local: Callable[[], Embedder],
    ) -> None:
        """`embedder` and `encoder` are those of the settings; `others`, by name, are open besides.

        `load_local`: the one embedder that is always to be had, loaded when it is needed.
        """
        self._encoder = encoder
        self._embedders = {**others, embedder.name: embedder}
        self._load_local = load_local
        self._sources: dict[VectorSpace, SpaceVectors] = {}

    def __call__(self, space: VectorSpace) -> SpaceVectors:
        """What makes the vectors of `space`."""
        if space not in self._sources:
            encoder = self._encoder if self._encoder.name == space.sparse else encoder_of(space.sparse)
            self._sources[space] = SpaceVectors(self._embedder_of(space), encoder)
        return self._sources[space]

    def _embedder_of(self, space: VectorSpace) -> Embedder | None:
        if space.embedder not in self._embedders and space.embedder.startswith("local/"):
            local = self._load_local()
            self._embedders[local.name] = local
        found = self._embedders.get(space.embedder)
        return found if found is not None and found.dimensions == space.dimensions else None
