"""Reports as Markdown."""

from __future__ import annotations

from docuquery_client.evaluation.compare import compare
from docuquery_client.evaluation.judge.agreement import Agreement, JudgeSummary
from docuquery_client.evaluation.markdown import comparison_markdown, markdown
from docuquery_client.evaluation.report import QuestionResult, Report, summed_up
from docuquery_client.evaluation.scores import mark

QUESTIONS = (
    QuestionResult("q1", "Where?", {"correct": mark(1), "f1": mark(1)}, "direct"),
    QuestionResult("q2", "When?", {"correct": mark(1)}, "date|time"),
)
JUDGE = JudgeSummary(
    "openai:m",
    "v1",
    "0123456789abcdef",
    2,
    1,
    {"HTTP 500": 3},
    Agreement(2, 1.0, None),
    Agreement(2, 0.5, 0.25),
)


def report(mode: str, judge: JudgeSummary | None = None) -> Report:
    return summed_up("birds", mode, {"queries": 2, "rerank": None}, QUESTIONS, "ab", judge=judge)


def test_every_metric_has_its_interval_a_column_for_each_mode_and_a_row_for_each_kind() -> None:
    lines = markdown([report("hybrid"), report("dense")]).splitlines()
    assert lines[0] == "## birds"
    assert "| metric | hybrid | dense |" in lines
    assert "| correct | 1.0000 (1.000 to 1.000) | 1.0000 (1.000 to 1.000) |" in lines
    assert "| direct | 1 | 1.000 | 1.000 |" in lines
    # A metric that does not apply to a kind is left blank; a bar would end the cell.
    assert r"| date\|time | 1 | 1.000 |  |" in lines
    assert "| queries | 2 | 2 |" in lines


def test_what_a_model_thinks_stands_beside_how_far_it_agrees() -> None:
    text = markdown([report("auto", JUDGE)])
    assert "### auto, judged by openai:m" in text
    assert (
        "2 answers judged, 1 verdicts unreadable, 3 calls failed; prompt v1, SHA-256 `0123456789ab`." in text
    )
    assert "| quality | correct | 1.000 | none: both always say the same |" in text
    assert "| faithfulness | outcome ANSWERED | 0.500 | 0.250 |" in text


def test_a_comparison_is_a_table_of_differences() -> None:
    text = comparison_markdown([compare(report("hybrid"), report("dense"))])
    assert "## birds: hybrid (A) and dense (B)" in text
    assert "| f1 | 1.0000 | 1.0000 | +0.0000 | +0.0000 to +0.0000 | 1.0000 | 1 |" in text
