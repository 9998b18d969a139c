"""Which reports may be compared, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from docuquery_client.evaluation.compare import ComparisonError, compare, paired, read_reports
from docuquery_client.evaluation.report import QuestionResult, Report, summed_up
from docuquery_client.evaluation.report_file import ReportError, write_json
from docuquery_client.evaluation.scores import mark


def report(
    values: dict[str, float],
    mode: str = "hybrid",
    dataset: str = "birds",
    sha256: str = "ab",
    metric: str = "m",
) -> Report:
    questions = [QuestionResult(key, key, {metric: mark(value)}) for key, value in values.items()]
    return summed_up(dataset, mode, {}, questions, sha256)


A = report({"q1": 0.0, "q2": 1.0, "q3": 0.5})


def test_questions_are_paired_by_name_whatever_their_order() -> None:
    found = compare(A, report({"q3": 0.5, "q1": 1.0, "q2": 1.0}, mode="dense"))
    assert (found.dataset, found.mode_a, found.mode_b) == ("birds", "hybrid", "dense")
    assert (found.differences["m"].a, found.differences["m"].b) == (0.5, pytest.approx(2.5 / 3))


def test_a_run_does_not_differ_from_itself() -> None:
    found = compare(A, A).differences["m"]
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("b", "why"),
    [
        (replace(A, dataset="fish"), "A is about the set 'birds', B about 'fish'"),
        (report({"q1": 0.0, "q2": 1.0}), r"1 of the questions in A are not in B \(q3\)"),
        (
            report({f"q{n}": 0.0 for n in range(1, 9)}),
            r"5 of the questions in B are not in A \(q4, q5, q6, ...\)",
        ),
        (replace(A, questions_sha256="cd"), "same names, but their texts or what is expected"),
        (report({"q1": 0.0, "q2": 1.0, "q3": 0.5}, metric="n"), "no metric in common"),
    ],
)
def test_reports_of_other_questions_are_refused_and_why_is_said(b: Report, why: str) -> None:
    with pytest.raises(ComparisonError, match=why):
        compare(A, b)


def test_one_report_is_compared_with_one_and_several_mode_by_mode() -> None:
    dense, sparse = replace(A, mode="dense"), replace(A, mode="sparse")
    assert paired([A], [dense]) == [(A, dense)]
    assert paired([A, dense], [sparse, dense]) == [(dense, dense)]
    with pytest.raises(ComparisonError, match="A has the modes hybrid, dense, B has sparse"):
        paired([A, dense], [sparse])


def test_one_mode_of_a_file_is_named_after_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    write_json(path, [A, replace(A, mode="auto/dense")])
    assert len(read_reports(str(path))) == 2
    assert [each.mode for each in read_reports(f"{path}#auto/dense")] == ["auto/dense"]
    with pytest.raises(ReportError, match="no report of the mode 'sparse', only of hybrid, auto/dense"):
        read_reports(f"{path}#sparse")


def test_a_hash_in_a_file_name_is_no_mode(tmp_path: Path) -> None:
    write_json(tmp_path / "run#1.json", [A])
    assert len(read_reports(str(tmp_path / "run#1.json"))) == 1
