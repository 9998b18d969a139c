"""Two reports side by side: which differences are more than luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from docuquery_client.evaluation.report import Report
from docuquery_client.evaluation.report_file import ReportError, read_json
from docuquery_client.evaluation.statistics import Difference, difference

_SHOWN = 3
"""Names of questions that stand for all that are missing."""


class ComparisonError(Exception):
    """The reports cannot be compared. The text is for people and says why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Report B against report A."""

    dataset: str
    mode_a: str
    mode_b: str
    differences: dict[str, Difference]
    """By metric, those that both have, in A's order."""


def read_reports(name: str) -> list[Report]:
    """The reports of a file, or of several the one whose mode is named: `FILE#MODE`. Raises ReportError."""
    file, mark, mode = name.rpartition("#")
    if not mark or Path(name).exists():
        return read_json(Path(name))
    reports = read_json(Path(file))
    chosen = [report for report in reports if report.mode == mode]
    if not chosen:
        modes = ", ".join(report.mode for report in reports)
        raise ReportError(f"{file} has no report of the mode {mode!r}, only of {modes}.")
    return chosen


def paired(a: Sequence[Report], b: Sequence[Report]) -> list[tuple[Report, Report]]:
    """What to compare with what. Raises ComparisonError.

    One report with one, whatever their modes; several with those of the same mode.
    """
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    by_mode = {report.mode: report for report in b}
    pairs = [(report, by_mode[report.mode]) for report in a if report.mode in by_mode]
    if not pairs:
        raise ComparisonError(
            f"A has the modes {_listed([r.mode for r in a])}, B has {_listed([r.mode for r in b])}: none is "
            "in both. Name the ones to compare: FILE#MODE."
        )
    return pairs


def compare(a: Report, b: Report) -> Comparison:
    """The differences of two runs over the same questions. Raises ComparisonError."""
    _check(a, b)
    of_b = {question.id: question.scores for question in b.questions}
    scored_a = [question.scores for question in a.questions]
    scored_b = [of_b[question.id] for question in a.questions]
    names = [name for name in a.metrics if name in b.metrics]
    if not names:
        raise ComparisonError("The reports have no metric in common.")
    return Comparison(
        a.dataset, a.mode, b.mode, {name: difference(scored_a, scored_b, name) for name in names}
    )


def _check(a: Report, b: Report) -> None:
    if a.dataset != b.dataset:
        raise ComparisonError(
            f"A is about the set {a.dataset!r}, B about {b.dataset!r}: compare runs over the same questions."
        )
    in_a, in_b = ([question.id for question in report.questions] for report in (a, b))
    for one, other, names in (("A", "B", _missing(in_a, in_b)), ("B", "A", _missing(in_b, in_a))):
        if names:
            raise ComparisonError(
                f"{len(names)} of the questions in {one} are not in {other} ({_listed(names)}): measure both "
                "with the same --sample, --seed and --limit-queries."
            )
    if a.questions_sha256 != b.questions_sha256:
        raise ComparisonError(
            "The questions have the same names, but their texts or what is expected of them changed between "
            "the runs: measure both again."
        )


def _missing(these: Sequence[str], those: Sequence[str]) -> list[str]:
    known = set(those)
    return [each for each in these if each not in known]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
