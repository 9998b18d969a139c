"""A question's terms under every language the tenant's documents are in.

Nobody knows a question's language for sure, and names, numbers and loan words stand in documents of any. So
it is asked under all of them at once; a document has terms of one language only, and is scored by those.

Two things keep the languages from disturbing each other. Words that say nothing in the question's own
language (German `die`, `war`, `hat`) are not looked for in the others. And the engine counts documents over
all languages, so that every word of a rare language looks rare: weights bring back the frequencies within
each language, without changing what a language can reach in all.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.retrieval.store.questions import SparseVector
from services.retrieval.terms.bm25 import Bm25Encoder

MAX_LANGUAGES = 8
"""Those with the most text, when there are more. Each adds the question's terms once."""

_FEWEST_STOP_WORDS = 2
"""`die` alone may be a word of any language."""
_LEAST_IDF = 0.05
"""A word of every document in its language still counts a little."""


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """A question for the word index."""

    vector: SparseVector
    """Every term once, under whichever languages it was asked."""
    by_language: Mapping[str, frozenset[int]]
    """The terms a document in that language can have: its own, and those that have no language."""

    def weighted_idf(self, language: str, idf: Mapping[int, float]) -> dict[int, float]:
        """What each term that counts in `language` is worth; nothing for a language that was not asked."""
        terms = self.by_language.get(language, frozenset())
        return {
            term: weight * idf[term]
            for term, weight in zip(self.vector.indices, self.vector.values, strict=True)
            if term in terms
        }


NO_TERMS = QuestionTerms(SparseVector((), ()), {})


def asked_languages(encoder: Bm25Encoder, sizes: Mapping[str, int]) -> dict[str, int]:
    """Languages to ask under, and how much is in each; `sizes` is by code. The store's own for no document.

    At most MAX_LANGUAGES, those with most first.
    """
    counts: Counter[str] = Counter()
    for code, count in sizes.items():
        counts[encoder.language_of(code)] += count
    return dict(counts.most_common(MAX_LANGUAGES)) or {encoder.language_of(""): 0}


def terms_under(encoder: Bm25Encoder, text: str, languages: Collection[str]) -> QuestionTerms:
    """The question's terms, each with weight 1."""
    if len(languages) == 1:
        (only,) = languages
        vector = encoder.query(text, only)
        return QuestionTerms(vector, {only: frozenset(vector.indices)})
    empty = encoder.stop_words(text, languages)
    own = _language_of(empty)
    by_language = {}
    for language in languages:
        asked = text if own in (None, language) else _without(text, empty[own])
        by_language[language] = frozenset(encoder.query(asked, language).indices)
    indices = tuple(sorted(frozenset().union(*by_language.values())))
    return QuestionTerms(SparseVector(indices, (1.0,) * len(indices)), by_language)


def weighted(terms: QuestionTerms, sizes: Mapping[str, int], idf: Mapping[int, float]) -> QuestionTerms:
    """The same terms, weighted by their frequencies within their language.

    `sizes` as `asked_languages` gives it, `idf` as the engine applies it. That of a term in n of N chunks is
    ln((N + 1) / (n + 0.5)); among the M of its language it is less by ln((N + 1) / (M + 1)). The weights of a
    language are stretched so that the sum of weight times idf stays what it was.
    """
    if len(terms.by_language) == 1:
        return terms
    total = sum(sizes.values())
    shared = frozenset.intersection(*terms.by_language.values())
    weights = dict.fromkeys(terms.vector.indices, 1.0)
    for language, found in terms.by_language.items():
        own = found - shared
        surplus = math.log((total + 1) / (sizes[language] + 1))
        within = {term: max(_LEAST_IDF, idf[term] - surplus) for term in own if idf[term] > 0.0}
        stretch = sum(idf[term] for term in within) / sum(within.values()) if within else 1.0
        weights |= {term: stretch * value / idf[term] for term, value in within.items()}
    vector = SparseVector(terms.vector.indices, tuple(weights[term] for term in terms.vector.indices))
    return QuestionTerms(vector, terms.by_language)


def _language_of(stop_words: Mapping[str, frozenset[str]]) -> str | None:
    """The language most of the question's small words are of; None when that is not clear."""
    ranking = sorted(stop_words, key=lambda language: -len(stop_words[language]))
    first, second = (len(stop_words[language]) for language in ranking[:2])
    return ranking[0] if first >= _FEWEST_STOP_WORDS and first > second else None


def _without(text: str, words: Collection[str]) -> str:
    pattern = "|".join(map(re.escape, sorted(words)))
    return re.sub(rf"\b(?:{pattern})\b", " ", text, flags=re.IGNORECASE)
