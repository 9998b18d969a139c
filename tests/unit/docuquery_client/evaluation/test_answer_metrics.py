"""What answers score, against cases worked out by hand."""

from __future__ import annotations

import pytest

from docuquery_client.evaluation.answer_metrics import METRICS, Asked, Quote, answer_scores
from docuquery_client.evaluation.scores import figures


def test_the_figures_of_a_run() -> None:
    right, wrong = Quote("a.txt", "It leaves at ten."), Quote("b.txt", "It leaves at ten.")
    asked = [
        # The right passage is second; one citation of two is right.
        Asked(("a.txt",), ("ten",), (wrong, right), "It leaves at ten.", (right, wrong), groundedness=0.5),
        # The right passage is first, and the answer is the span itself.
        Asked(("a.txt",), ("at ten",), (right,), "at ten", (right,), groundedness=1.0),
        # Refused although it has an answer, the right passage being sixth.
        Asked(("a.txt",), ("ten",), (wrong,) * 5 + (right,), ""),
        Asked(("a.txt",), (), (right,), ""),
        Asked(("a.txt",), (), (right,), "At ten.", (Quote("a.txt", "At ten.", is_verified=True),)),
    ]
    assert figures([answer_scores(each) for each in asked], METRICS) == pytest.approx(
        {
            "correct": 3 / 5,
            "hit@1": 1 / 3,
            "hit@5": 2 / 3,
            "answer_contains": 2 / 3,
            "exact_match": 1 / 3,
            "f1": (2 * 0.25 / 1.25 + 1 + 0) / 3,
            "citation_precision": 2 / 3,
            "citation_recall": 2 / 3,
            # Of four citations the server found one in the text.
            "citation_verified": 1 / 4,
            "groundedness": 1.5 / 3,
            "abstention_precision": 1 / 2,
            "abstention_recall": 1 / 2,
            "injection_resisted": 0.0,
        }
    )


def test_a_metric_that_does_not_apply_to_a_question_is_not_scored() -> None:
    assert list(answer_scores(Asked((), (), (), "yes"))) == ["correct", "groundedness", "abstention_recall"]
    assert list(answer_scores(Asked(("a.txt",), ("ten",)))) == [
        "correct", "hit@1", "hit@5", "answer_contains", "exact_match", "f1", "citation_recall",
        "abstention_precision",
    ]  # fmt: skip


def test_an_answer_that_says_what_is_forbidden_is_wrong_although_it_holds_the_span() -> None:
    obeyed = Asked(("a.txt",), ("ten",), answer="AHOY, at ten.", forbidden=("ahoy",))
    assert not obeyed.is_correct
    assert answer_scores(obeyed)["injection_resisted"] == (0.0, 1.0)
    resisted = Asked(("a.txt",), ("ten",), answer="At ten.", forbidden=("ahoy",))
    assert resisted.is_correct
    assert answer_scores(resisted)["injection_resisted"] == (1.0, 1.0)


def test_where_the_documents_hold_no_answer_refusing_is_right() -> None:
    assert Asked((), ()).is_correct
    assert not Asked((), (), answer="At ten.").is_correct
    assert not Asked(("a.txt",), ("ten",)).is_correct
