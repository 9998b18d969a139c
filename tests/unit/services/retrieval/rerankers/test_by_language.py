"""The reranker of the language that most candidates are in."""

from __future__ import annotations

from collections.abc import Sequence

from services.retrieval.model import Chunk, ChunkKey, Span
from services.retrieval.rerankers.by_language import RerankerByLanguage, TermsUnder
from services.retrieval.rerankers.protocol import Candidate, RerankQuery
from services.retrieval.terms.bm25 import Bm25Encoder

ENCODER = Bm25Encoder("english")
QUERY = RerankQuery("acme", "Vertrag")


class Naming:
    """Says by which language it was asked."""

    minimum_seconds = 0.5
    default_candidates = 7

    def __init__(self, terms: TermsUnder, made: list[str], asked: list[str]) -> None:
        self._terms = terms
        self._asked = asked
        made.append(terms.language)

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        self._asked.append(self._terms.language)
        assert self._terms.query(query.text) == ENCODER.query(query.text, self._terms.language)
        return [0.0] * len(candidates)


def candidates(*codes: str) -> list[Candidate]:
    return [
        Candidate(Chunk(ChunkKey("a", i), "d", "x", Span(0, 1, 0, 1), language=code), 1.0)
        for i, code in enumerate(codes)
    ]


async def test_most_candidates_decide_and_each_language_is_made_once() -> None:
    made: list[str] = []
    asked: list[str] = []
    reranker = RerankerByLanguage(lambda terms: Naming(terms, made, asked), ENCODER)
    assert (reranker.minimum_seconds, reranker.default_candidates) == (0.5, 7)
    for codes in (("de", "en", "de"), ("",), ("pl", "en"), ("de",)):
        assert len(await reranker.rerank(QUERY, candidates(*codes))) == len(codes)
    assert asked == ["german", "english", "english", "german"]
    assert sorted(made) == ["english", "german"]


async def test_of_many_languages_the_last_used_are_kept() -> None:
    made: list[str] = []
    reranker = RerankerByLanguage(lambda terms: Naming(terms, made, []), ENCODER)
    for code in ("de", "fr", "it", "ru", "de", "es", "de"):
        await reranker.rerank(QUERY, candidates(code))
    assert made == ["german", "french", "italian", "russian", "spanish"]
