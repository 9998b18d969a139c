"""How likely a chosen answer holds what was asked for: a calibrated probability.

A logistic regression on eight signals of the choice. Its constants are printed by
`python -m benchmarks.extraction fit`; docs/answers.md says on what they were fitted and how well they hold
for documents the fit has not seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from services.answer.extraction.candidates import Candidate, keys_of
from services.answer.extraction.features import Scored
from services.answer.extraction.question import Question

_DENIAL = re.compile(
    r"\b(?:not|never|no|none|nor|neither|without|cannot|nicht|kein\w*|ohne|nie|jamais|sans|nunca|sin)\b|n['’]t\b",
    re.IGNORECASE,
)


class Signals(NamedTuple):
    """What speaks for or against a choice."""

    utility: float
    """The best sentence's utility divided by 10."""
    share: float
    """Natural logarithm of the chosen sentences' probability among all candidates: 0 or less."""
    covered: float
    """Share of the question found in the best sentence and its context (Scored.covered)."""
    unknown_names: float
    """Share of the question's names that stand nowhere in the passages or their headings."""
    missing_number: float
    """1 when a number of the question is not in the best sentence."""
    missing_kind: float
    """1 when the best sentence holds nothing of the kind asked for (a date, a person), 0 when it does."""
    denial: float
    """1 when either the question or the best sentence denies something and the other does not."""
    passage_score: float
    """The best sentence's passage's absolute score, 0 to 1."""


INTERCEPT = -1.667
WEIGHTS = Signals(
    utility=0.431,
    share=0.884,
    covered=0.175,
    unknown_names=-0.485,
    missing_number=-0.794,
    missing_kind=-0.282,
    denial=-0.741,
    passage_score=1.879,
)
"""Natural logarithm of the odds that one unit of a signal adds."""


def signals(
    question: Question,
    text: str,
    best: Scored,
    found: Sequence[Candidate],
    *,
    utility: float,
    probability: float,
    passage_score: float,
) -> Signals:
    """The signals of a choice of which `best` is the best sentence.

    `text` is the question as asked, `found` all candidates, `probability` the chosen sentences' share.
    """
    numbers = [term.key for term in question.terms if any(map(str.isdecimal, term.key))]
    candidate = best.candidate
    return Signals(
        utility=utility / 10,
        share=math.log(max(probability, 1e-9)),
        covered=best.covered,
        unknown_names=missing_names(question, found),
        missing_number=float(
            any(key not in candidate.keys and not candidate.range_holds(key) for key in numbers)
        ),
        missing_kind=1.0 - best.features.kind if question.is_certain_kind else 0.0,
        denial=float(bool(_DENIAL.search(text)) != bool(_DENIAL.search(candidate.text))),
        passage_score=passage_score,
    )


def confidence_of(found: Signals) -> float:
    """The probability, 0 to 1, that the chosen sentences hold the answer."""
    odds = INTERCEPT + sum(value * weight for value, weight in zip(found, WEIGHTS, strict=True))
    return 1 / (1 + math.exp(-odds))


def missing_names(question: Question, found: Sequence[Candidate]) -> float:
    """Share of the question's names and numbers that stand nowhere in the candidates or their context."""
    names = [term for term in question.terms if term.is_name]
    if not names:
        return 0.0
    known = keys_of(found)
    return sum(term.key not in known for term in names) / len(names)
