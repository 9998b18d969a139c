"""Whether confidence means anything: of answers given with .7, seven in ten should be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docuquery_client.evaluation.report import QuestionResult

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence is at least `low` and below `high` (the last bin includes 1)."""

    low: float
    high: float
    answers: int
    """At least 1."""
    confidence: float
    """Their mean."""
    correct: float
    """The share of right ones, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A reliability diagram in numbers."""

    error: float
    """Expected calibration error: Σ (answers of the bin / all) · |correct - confidence|; 0 is best.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
    2015.
    """
    bins: tuple[Bin, ...]
    """Those that are not empty."""


def calibration(questions: Iterable[QuestionResult]) -> Calibration | None:
    """Of the answers among `questions`; None without any. Refusals have no confidence and do not count."""
    placed: dict[int, list[tuple[float, bool]]] = {}
    for question in questions:
        if question.reply is not None and question.reply.answer:
            confidence = question.reply.confidence
            place = min(BINS - 1, int(confidence * BINS))
            placed.setdefault(place, []).append((confidence, question.reply.is_correct))
    if not placed:
        return None
    bins = tuple(_bin(place, placed[place]) for place in sorted(placed))
    total = sum(each.answers for each in bins)
    error = sum(each.answers * abs(each.correct - each.confidence) for each in bins) / total
    return Calibration(error, bins)


def _bin(place: int, answers: list[tuple[float, bool]]) -> Bin:
    count = len(answers)
    return Bin(
        low=place / BINS,
        high=(place + 1) / BINS,
        answers=count,
        confidence=sum(confidence for confidence, _ in answers) / count,
        correct=sum(is_correct for _, is_correct in answers) / count,
    )
