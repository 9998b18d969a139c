"""Static word vectors, for words that mean something alike without sharing letters.

They are wordllama's, whose weights come inside its package: 16 MB are read, and the vectors of words met
are remembered. No model runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_TENSOR = "embedding.weight"
_MAX_WORDS = 8_192
"""Words remembered, 8 MB; when there are more, it begins anew."""


class PieceVectors:
    """A word's vector: the mean of its word pieces' vectors, of length 1. Not thread-safe."""

    def __init__(self, tokenizer: Tokenizer, pieces: NDArray[np.float16]) -> None:
        """`pieces` has a row for each piece of `tokenizer`, shape (pieces, n)."""
        self._tokenizer = tokenizer
        self._pieces = pieces
        self._known: dict[str, int] = {}
        self._vectors = np.zeros((_MAX_WORDS, pieces.shape[1]), dtype=np.float32)

    @classmethod
    def load(cls) -> PieceVectors:
        """Reads them from the installed package. Raises FileNotFoundError when it is not as expected."""
        # Found, not imported: importing wordllama sets up the root logger.
        spec = find_spec("wordllama")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("The package wordllama is not installed.")
        folder = Path(spec.origin).parent
        for name in (_WEIGHTS, _TOKENIZER):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder / name} is missing: is another version of wordllama installed?"
                )
        return cls(Tokenizer.from_file(str(folder / _TOKENIZER)), load_file(folder / _WEIGHTS)[_TENSOR])

    def rows(self, words: Sequence[str]) -> NDArray[np.float32]:
        """A unit vector for each lower-case word, shape (words, n); zeros for one without pieces."""
        unknown = [word for word in dict.fromkeys(words) if word not in self._known]
        if len(self._known) + len(unknown) > _MAX_WORDS:
            self._known.clear()
            unknown = list(dict.fromkeys(words))
        if len(unknown) > _MAX_WORDS:
            return np.array([self._vector(word) for word in words], dtype=np.float32)
        for word in unknown:
            row = len(self._known)
            self._vectors[row] = self._vector(word)
            self._known[word] = row
        return self._vectors[[self._known[word] for word in words]]

    def _vector(self, word: str) -> NDArray[np.float32]:
        pieces = self._tokenizer.encode(word, add_special_tokens=False).ids
        total: NDArray[np.float32] = self._pieces[pieces].astype(np.float32).sum(axis=0)
        length = np.float32(np.linalg.norm(total))
        if length > 0:
            total /= length
        return total
