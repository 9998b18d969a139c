"""Confidence against correctness, with numbers that can be checked by hand."""

from __future__ import annotations

import pytest

from docuquery_client.evaluation.calibration import calibration
from docuquery_client.evaluation.report import QuestionResult, Reply


def answered(confidence: float, is_correct: bool, answer: str = "At ten.") -> QuestionResult:
    return QuestionResult("1", "?", {}, reply=Reply("ANSWERED", answer, confidence, is_correct))


def test_the_error_is_the_mean_distance_weighed_by_answers() -> None:
    found = calibration(
        [answered(0.72, True), answered(0.78, False), answered(0.1, False), answered(1.0, True)]
    )
    assert found is not None
    assert [(each.low, each.answers, each.correct) for each in found.bins] == [
        (0.1, 1, 0.0), (0.7, 2, 0.5), (0.9, 1, 1.0),
    ]  # fmt: skip
    # (1 · |0 - .1| + 2 · |.5 - .75| + 1 · |1 - 1|) / 4
    assert found.error == pytest.approx(0.15)


def test_refusals_and_searches_do_not_count() -> None:
    assert calibration([answered(0.0, True, answer=""), QuestionResult("2", "?", {})]) is None
