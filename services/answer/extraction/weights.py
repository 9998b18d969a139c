"""How much each feature speaks for a sentence.

A conditional logit (softmax over one question's candidates; McFadden 1974) with an L2 penalty, fitted on the
answerable questions of eight SQuAD 2.0 development articles, five passages each, and printed by
`python -m benchmarks.extraction fit`. docs/answers.md has the figures for articles the fit has not seen.
"""

from __future__ import annotations

from services.answer.extraction.features import Features

WEIGHTS = Features(
    overlap=5.38,
    relative_overlap=2.05,
    ordered=1.16,
    pairs=1.16,
    root_overlap=2.39,
    synonym_overlap=1.57,
    likeness=9.23,
    focus=2.59,
    lead_in=3.81,
    follow_up=1.70,
    opening=3.92,
    kind=3.26,
    definition=4.16,
    passage_score=4.40,
    starts_asked=0.61,
    pronoun_lead_in=3.57,
    superlative=2.31,
    is_first=0.27,
)
"""Natural logarithm of the odds that one unit of a feature adds."""


def utility(features: Features) -> float:
    """The weighted sum: differences between candidates are log odds."""
    return sum(value * weight for value, weight in zip(features, WEIGHTS, strict=True))
