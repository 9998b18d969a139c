"""How like the words of sentences are to those of a question, by their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.answer.extraction.candidates import Candidate
from services.answer.extraction.question import Question
from services.answer.language.folding import fold
from services.answer.language.words import Word

_UNRELATED = 0.2  # cosine that words without anything in common reach now and then


class WordVectors(Protocol):
    """Where the vectors come from."""

    def rows(self, words: Sequence[str]) -> NDArray[np.float32]:
        """A vector of length 1 (or 0) for each lower-case word, shape (words, n)."""
        ...


class Likeness(NamedTuple):
    """One sentence."""

    terms: tuple[float, ...]
    """For each term of the question, the cosine of the likest word less what unrelated words reach: 0 to
    0.8; 0 for terms that no vector can stand for (numbers, codes, other scripts)."""
    focus: float
    """The same for the word that names the kind of thing asked for ("which *treaty*"), among the words that
    the question does not hold, without deduction: 0 to 1."""


def likenesses(question: Question, found: Sequence[Candidate], vectors: WordVectors) -> list[Likeness]:
    """The likeness of each candidate, in the same order."""
    asked = [at for at, term in enumerate(question.terms) if _comparable(term.spelling)]
    spellings = [[(word, text) for word, text in _content(item) if _comparable(text)] for item in found]
    places = {text: at for at, text in enumerate(dict.fromkeys(text for row in spellings for _, text in row))}
    nothing = (0.0,) * len(question.terms)
    if not places:
        return [Likeness(nothing, 0.0) for _ in found]
    focus = question.focus if question.focus and _comparable(question.focus) else None
    needles = [question.terms[at].spelling for at in asked] + ([focus] if focus else [])
    if not needles:
        return [Likeness(nothing, 0.0) for _ in found]
    cosines = vectors.rows(list(places)) @ vectors.rows(needles).T
    result = []
    for row in spellings:
        if not row:
            result.append(Likeness(nothing, 0.0))
            continue
        best = cosines[[places[text] for _, text in row], : len(asked)].max(axis=0, initial=0.0)
        terms = list(nothing)
        for at, value in zip(asked, best, strict=True):
            terms[at] = max(0.0, float(value) - _UNRELATED)
        new = [places[text] for word, text in row if word.key not in question.keys]
        near = float(cosines[new, -1].max(initial=0.0)) if focus else 0.0
        result.append(Likeness(tuple(terms), near))
    return result


def _content(candidate: Candidate) -> list[tuple[Word, str]]:
    text = candidate.text
    return [(word, text[word.start : word.end].lower()) for word in candidate.words if not word.is_stop]


def _comparable(spelling: str) -> bool:
    """Whether it is a word in Latin letters: the vectors know little of others."""
    return spelling.isalpha() and (spelling.isascii() or fold(spelling).isascii())
