"""The dependency-free reranker: what the best passages have in common, and the sentence that says it.

Three signals join the first search's order:

- Feedback. The terms that mark the best passages are taken for part of the question, and every candidate is
  scored by BM25 with them. This is RM3's relevance model (Lavrenko and Croft, "Relevance-Based Language
  Models", SIGIR 2001) used to reorder instead of to search once more. It finds what speaks of the same
  matter in other words; alone it hurts questions that one sentence answers.
- The best sentence. Each word of the question looks for its likest word in a sentence, and the sentence that
  serves all of them best, rare ones first, counts (the late interaction of Khattab and Zaharia, "ColBERT",
  SIGIR 2020, with static word vectors). Numbers and codes must be there as they are.
- The document named. Words that the question writes with a capital and that stand in some candidates' titles
  speak for these: a question about one company is not answered from another one's report.

Then passages that say alike things get scores more alike (Diaz, "Regularizing Ad Hoc Retrieval Scores", CIKM
2005), the less so the better one sentence serves the whole question: such a sentence needs no company.

`docs/decisions/0009-ranking.md` tells what each of them gives, and what else was tried.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.retrieval.rerankers.numbered_passages import NumberedPassages
from services.retrieval.rerankers.pool import Floats, Ids, Pool, distinct
from services.retrieval.rerankers.products import product
from services.retrieval.rerankers.protocol import Candidate, RerankQuery
from services.retrieval.rerankers.words import NO_TERM, SENTENCE_END, WordTable

_FEEDBACK_WEIGHT = 0.5
_SENTENCE_WEIGHT = 1.75
_NAME_WEIGHT = 1.0
_TOTAL_WEIGHT = 1.0 + _FEEDBACK_WEIGHT + _SENTENCE_WEIGHT + _NAME_WEIGHT
_STRONGEST_SMOOTHING = 0.9
_LEAST_LIKENESS = 0.3
"""A cosine of words below this means nothing."""


class IdfSource(Protocol):
    """The word index's statistics."""

    async def idf(self, tenant: str, terms: Collection[int]) -> Mapping[int, float]:
        """Inverse document frequency of each term."""
        ...


class LocalReranker:
    """Implements `Reranker`. 100 candidates take about 2 ms once their words are known."""

    minimum_seconds = 0.02
    default_candidates = 100

    def __init__(self, words: WordTable, statistics: IdfSource) -> None:
        self._words = words
        self._passages = NumberedPassages(words)
        self._statistics = statistics

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        written = _names(query.text)
        titles = list(dict.fromkeys(candidate.chunk.title for candidate in candidates)) if written else []
        numbered, passages = await self._passages.number(
            [query.text, written, *titles], [candidate.chunk for candidate in candidates]
        )
        question, names, *named_titles = numbered
        words = self._words
        shares = dict(zip(titles, _shares(words, names, named_titles), strict=True))
        named = np.array([shares.get(candidate.chunk.title, 0.0) for candidate in candidates])
        first = _stretched(np.array([candidate.fused for candidate in candidates]))
        flat = np.concatenate(passages, dtype=np.int64)
        lengths = np.array([len(ids) for ids in passages])

        pool = Pool(words.terms[flat], lengths)
        marks, weights = pool.marks(first**2)
        question = np.unique(question[words.terms[question] != NO_TERM])
        asked = words.terms[question]
        index_terms = [words.index_terms[term] for term in (*pool.terms[marks].tolist(), *asked.tolist())]
        likeness, places = _likeness(words, question, flat)
        # Nothing of the table may be read behind this: another search may add to it.
        idf = await self._statistics.idf(query.tenant, set(index_terms))
        each = np.array([idf[term] for term in index_terms])
        feedback = pool.weights[:, marks] @ (weights * each[: len(marks)])
        sentences = _best_sentences(likeness, places, each[len(marks) :], flat, lengths)
        scores = (
            first
            + _FEEDBACK_WEIGHT * _stretched(feedback)
            + _SENTENCE_WEIGHT * sentences
            + _NAME_WEIGHT * named
        ) / _TOTAL_WEIGHT
        term_weights = pool.rarity.copy()
        term_weights[marks] = each[: len(marks)]
        # Without words of the question nobody knows what the company of a passage is worth.
        strength = min(_STRONGEST_SMOOTHING, 1.0 - float(sentences.max())) if len(question) else 0.0
        smoothed: list[float] = pool.smoothed(scores, term_weights, strength).tolist()
        return smoothed


def _names(question: str) -> str:
    """The words with a capital. The stop words among them (`What`) have no term, and drop out later."""
    return " ".join(word for word in question.split() if word != word.lower())


def _shares(words: WordTable, names: Ids, titles: Sequence[Ids]) -> list[float]:
    """How many of the names each title holds, as a share of those that any title holds; 0 to 1."""
    wanted = set(words.terms[names].tolist()) - {NO_TERM}
    held = [wanted.intersection(words.terms[title].tolist()) for title in titles]
    known = set().union(*held)
    return [len(each) / len(known) if known else 0.0 for each in held]


def _likeness(words: WordTable, question: Ids, flat: Ids) -> tuple[NDArray[np.float32], Ids]:
    """How like the words of the passages are to those of the question, 0 to 1.

    One row for each distinct word, one column for each word of the question; and the row of each in `flat`.
    """
    found, places = distinct(flat)
    likeness = product(words.vectors[found], words.vectors[question].T)
    np.maximum((likeness - _LEAST_LIKENESS) / (1.0 - _LEAST_LIKENESS), 0.0, out=likeness)
    likeness *= words.inexact[question]
    likeness[words.terms[found][:, np.newaxis] == words.terms[question]] = 1.0
    return likeness, places


def _best_sentences(
    likeness: NDArray[np.float32], places: Ids, idf: Floats, flat: Ids, lengths: Ids
) -> Floats:
    """For each passage, how well its best sentence serves the question's words; 0 to 1."""
    if not idf.sum():
        return np.zeros(len(lengths))
    # Every passage ends with a sentence end, so each sentence begins behind one, and none is empty.
    sentences = np.append(0, np.flatnonzero(flat == SENTENCE_END)[:-1] + 1)
    served = np.maximum.reduceat(likeness[places], sentences, axis=0) @ (idf / idf.sum())
    begins = np.append(0, np.cumsum(lengths)[:-1])
    best: Floats = np.maximum.reduceat(served, np.searchsorted(sentences, begins))
    return best


def _stretched(values: Floats) -> Floats:
    """To 0..1; all 0 when they do not differ."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros(len(values))
