"""How much of a question its passages speak of at all: one of the two signs that there is an answer to find.

The other is the passages' relevance score, which an unlucky word can raise. Words and score together fail
less often than either.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.answer.extraction.question import Term, analyse
from services.answer.language.stemming import root
from services.answer.language.words import words
from services.answer.model import Passage

_PASSAGES = 3  # an answer rests on one passage or two; the tail of a result list holds any word by chance


def question_coverage(question: str, passages: Sequence[Passage]) -> float:
    """Share of the question's content words that the best three passages hold, 0 to 1.

    `passages` come best first; their headings, title and file name count as part of them. A word counts
    whole when it stands there in any inflection or derivation, half when only a synonym does. A question
    without content words gives 1: nothing speaks against it.
    """
    terms = analyse(question).terms
    if not terms:
        return 1.0
    text = "\n".join(
        part for passage in passages[:_PASSAGES] for part in (passage.text, *_context(passage)) if part
    )
    keys = frozenset(word.key for word in words(text))
    roots = frozenset(root(key) for key in keys)
    return sum(_held(term, keys, roots) for term in terms) / len(terms)


def _context(passage: Passage) -> tuple[str, ...]:
    return (*passage.headings, passage.title, passage.filename)


def _held(term: Term, keys: frozenset[str], roots: frozenset[str]) -> float:
    if term.key in keys or term.root in roots:
        return 1.0
    return 0.5 if term.related & keys else 0.0
