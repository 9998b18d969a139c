"""The words of passages as numbers; those of passages met before are remembered.

Taking texts apart is most of what the local reranker does, and popular passages come again and again. A chunk
never changes under its key.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.retrieval.indexing.indexer import contextual_text
from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.rerankers.words import WordTable

_MAX_PASSAGES = 10_000
"""About 5 MB; when there are more, it begins anew."""


class NumberedPassages:
    """Numbers texts and passages by one table."""

    def __init__(self, words: WordTable) -> None:
        self._words = words
        self._known: dict[ChunkKey, NDArray[np.int32]] = {}
        self._edition = words.edition

    async def number(
        self, texts: Sequence[str], chunks: Sequence[Chunk]
    ) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int32]]]:
        """The ids of the words of `texts`, and of `chunks`; they hold until the next `number`."""
        while True:
            new = {chunk.key: _text(chunk) for chunk in chunks if chunk.key not in self._known}
            numbered = await self._words.number([*texts, *new.values()])
            # Meanwhile another search may have made the table, or what is remembered, begin anew.
            if self._edition != self._words.edition:
                self._edition = self._words.edition
                self._known.clear()
                continue
            fresh = zip(new, numbered[len(texts) :], strict=True)
            self._known.update({key: ids.astype(np.int32) for key, ids in fresh})
            if all(chunk.key in self._known for chunk in chunks):
                break
        passages = [self._known[chunk.key] for chunk in chunks]
        if len(self._known) > _MAX_PASSAGES:
            self._known.clear()
        return numbered[: len(texts)], passages


def _text(chunk: Chunk) -> str:
    """What was indexed, the title and headings as a sentence of their own."""
    whole = contextual_text(chunk)
    return whole if len(whole) == len(chunk.text) else f"{whole[: -len(chunk.text)]} . {chunk.text}"
