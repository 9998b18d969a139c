"""One reranker a language: words are stemmed as those of the candidates were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.retrieval.rerankers.protocol import Candidate, Reranker, RerankQuery
from services.retrieval.store.questions import SparseVector
from services.retrieval.terms.bm25 import Bm25Encoder

_MAX_LANGUAGES = 4
"""Kept at a time; each has a table of words of about 10 MB."""


@dataclass(frozen=True, slots=True)
class TermsUnder:
    """Makes terms in one language; implements the reranker's `TermEncoder`."""

    encoder: Bm25Encoder
    language: str

    def query(self, text: str) -> SparseVector:
        """The terms of a text."""
        return self.encoder.query(text, self.language)


class RerankerByLanguage:
    """Implements `Reranker`: that of the language most candidates are in, made by `make` when first needed.

    The others are judged by it, too: what their words share is found by the same forms only.
    """

    def __init__(self, make: Callable[[TermsUnder], Reranker], encoder: Bm25Encoder) -> None:
        self._make = make
        self._encoder = encoder
        self._made: dict[str, Reranker] = {}

    @property
    def minimum_seconds(self) -> float:
        return self._of("").minimum_seconds

    @property
    def default_candidates(self) -> int:
        return self._of("").default_candidates

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        codes = Counter(candidate.chunk.language for candidate in candidates)
        return await self._of(codes.most_common(1)[0][0]).rerank(query, candidates)

    def _of(self, code: str) -> Reranker:
        language = self._encoder.language_of(code)
        reranker = self._made.pop(language, None) or self._make(TermsUnder(self._encoder, language))
        if len(self._made) >= _MAX_LANGUAGES:
            del self._made[next(iter(self._made))]  # the one not used for longest
        self._made[language] = reranker
        return reranker
