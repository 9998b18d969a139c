"""What the demonstration demands of an answer."""

from __future__ import annotations

import pytest

from docuquery.common.v1.answer_pb2 import Citation, CitationVerdict, Outcome
from docuquery.gateway.v1.docuquery_service_pb2 import QueryResult
from docuquery_client.demo import DemoError, Expected, check, main

ANSWERED = Expected("When?", "10:00", "hours.md")
UNANSWERED = Expected("Who?")


def result(
    answer: str = "From 10:00.",
    outcome: Outcome.ValueType = Outcome.OUTCOME_ANSWERED,
    filename: str = "hours.md",
    verdict: CitationVerdict.ValueType = CitationVerdict.CITATION_VERDICT_VERBATIM,
) -> QueryResult:
    return QueryResult(
        answer=answer, outcome=outcome, citations=[Citation(filename=filename, verdict=verdict)]
    )


def test_an_answer_with_the_words_and_a_checked_citation_is_as_promised() -> None:
    check(ANSWERED, result())
    check(ANSWERED, result(verdict=CitationVerdict.CITATION_VERDICT_SUPPORTED))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (result(answer="At noon."), "does not say '10:00'"),
        (result(outcome=Outcome.OUTCOME_LOW_EVIDENCE), "ended as LOW_EVIDENCE"),
        (result(filename="other.md"), "cites {'other.md'} only"),
        (result(verdict=CitationVerdict.CITATION_VERDICT_UNSUPPORTED), "cites nothing only"),
    ],
)
def test_an_answer_that_lacks_something_is_not(broken: QueryResult, why: str) -> None:
    with pytest.raises(DemoError, match=why):
        check(ANSWERED, broken)


def test_a_question_without_an_answer_must_end_without_evidence() -> None:
    check(UNANSWERED, result(outcome=Outcome.OUTCOME_NO_EVIDENCE))
    with pytest.raises(DemoError, match="but it ended as LOW_EVIDENCE"):
        check(UNANSWERED, result(outcome=Outcome.OUTCOME_LOW_EVIDENCE))


def test_a_folder_that_is_not_there_is_told_and_the_exit_code_is_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["no/such/folder"]) == 1
    assert capsys.readouterr().err == "The demonstration failed. no/such/folder does not exist.\n"
