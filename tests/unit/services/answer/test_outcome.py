"""Outcome and confidence follow from texts and scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.model import Citation, Outcome, Span, Verdict
from services.answer.outcome import has_evidence, judge
from tests.unit.services.answer.support import passage

share = st.floats(0, 1)


def cited(verdict: Verdict = Verdict.VERBATIM, score: float = 1.0, relevance: float = 0.6) -> Citation:
    nowhere = Span(0, 0, 0, 0)
    return Citation(1, passage("x", score=relevance), "x", nowhere, None, nowhere, verdict, score)


def test_one_relevant_passage_is_evidence() -> None:
    assert has_evidence([passage("a", score=0.1), passage("b", score=0.3)], 0.3)
    assert not has_evidence([passage("a", score=0.29)], 0.3)
    assert not has_evidence([], 0.0)


@pytest.mark.parametrize(
    ("groundedness", "outcome"),
    [(1.0, Outcome.ANSWERED), (0.8, Outcome.ANSWERED), (0.5, Outcome.PARTIAL), (0.0, Outcome.LOW_EVIDENCE)],
)
def test_the_outcome_follows_groundedness(groundedness: float, outcome: Outcome) -> None:
    judged = judge(says_not_found=False, groundedness=groundedness, citations=[cited()], passages=[])
    assert judged.outcome is outcome


def test_an_answer_that_says_it_found_nothing_is_low_evidence_whatever_it_cites() -> None:
    judged = judge(says_not_found=True, groundedness=1.0, citations=[cited()], passages=[])
    assert (judged.outcome, judged.confidence) == (Outcome.LOW_EVIDENCE, 0.0)


def test_a_word_for_word_answer_from_a_strong_passage_is_certain() -> None:
    judged = judge(says_not_found=False, groundedness=1.0, citations=[cited()], passages=[])
    assert judged.confidence == 1.0


@given(share, share, share, st.sampled_from(list(Verdict)))
def test_confidence_stays_between_0_and_1_and_never_falls_with_better_evidence(
    groundedness: float, score: float, relevance: float, verdict: Verdict
) -> None:
    def confidence(g: float, r: float) -> float:
        citations = [cited(verdict, score, r)]
        return judge(
            says_not_found=False, groundedness=g, citations=citations, passages=[passage("x", score=r)]
        ).confidence

    value = confidence(groundedness, relevance)
    assert 0 <= value <= 1
    assert confidence(min(1, groundedness + 0.1), relevance) >= value
    assert confidence(groundedness, min(1, relevance + 0.1)) >= value
