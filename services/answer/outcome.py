"""How a question ended, decided from texts and scores alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.answer.model import Citation, Outcome, Passage, Verdict
from services.answer.prompts.not_found import NOT_FOUND_SENTENCE

NO_EVIDENCE_ANSWER = NOT_FOUND_SENTENCE
"""Given when no passage is relevant enough: what a model is told to say then, too."""

LOW_EVIDENCE_ANSWER = "The documents have passages on this subject, but none of them answers the question."
"""Given when a provider that is no model found nothing."""

_ANSWERED_GROUNDEDNESS = 0.8
"""An answer may hold one sentence in five that only leads over: an ANSWERED one no more than that."""

_STRONG_SCORE = 0.6
"""Passages that answer a question word for word score about this much or more (see Passage.score)."""


def has_evidence(passages: Sequence[Passage], threshold: float) -> bool:
    """Whether at least one passage is as relevant as `threshold` (0 to 1)."""
    return any(passage.score >= threshold for passage in passages)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a generated answer is rated."""

    outcome: Outcome
    confidence: float
    """0 to 1."""


def judge(
    *,
    says_not_found: bool,
    groundedness: float,
    citations: Sequence[Citation],
    passages: Sequence[Passage],
    probability: float | None = None,
) -> Judgement:
    """Rates an answer.

    LOW_EVIDENCE when it says itself that it found nothing, or when none of its sentences is supported;
    PARTIAL when fewer than four in five are; ANSWERED otherwise.

    Confidence is groundedness times `probability`, the provider's own calibrated one. A model gives none:
    there it is the product of three shares, groundedness, the mean score of the citations that hold, and
    the relevance of the best cited passage against a strong one's, the last two damped by half, because
    either alone proves little. That orders a model's answers; it is no probability.
    """
    if says_not_found or groundedness <= 0:
        return Judgement(Outcome.LOW_EVIDENCE, 0.0)
    holding = [c for c in citations if c.verdict in (Verdict.VERBATIM, Verdict.SUPPORTED)]
    cited = [c.passage for c in holding] or list(passages)
    quality = sum(c.score for c in holding) / len(holding) if holding else 0.0
    relevance = min(1.0, max((p.score for p in cited), default=0.0) / _STRONG_SCORE)
    support = probability if probability is not None else (0.5 + 0.5 * quality) * (0.5 + 0.5 * relevance)
    confidence = groundedness * support
    outcome = Outcome.ANSWERED if groundedness >= _ANSWERED_GROUNDEDNESS else Outcome.PARTIAL
    return Judgement(outcome, round(confidence, 4))
