"""Reports as Markdown tables, for documents and reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docuquery_client.evaluation.compare import Comparison
from docuquery_client.evaluation.judge.agreement import Agreement, JudgeSummary
from docuquery_client.evaluation.report import Report, by_kind, kind_figures
from docuquery_client.evaluation.scores import names_of

_CONDITIONS = (
    "server_version", "embedder", "store", "documents", "chunks", "queries", "answered_by", "rerank",
    "latency_seconds", "environment",
)  # fmt: skip
"""Settings that belong beside every figure, by name."""


def markdown(reports: Sequence[Report]) -> str:
    """Every metric of every mode with its 95 % interval, the kinds of questions, judges, and conditions."""
    first = reports[0]
    parts = [f"## {_cell(first.dataset)}", _metrics(reports)]
    for report in reports:
        if kinds := _kinds(report):
            parts += [f"### {_cell(report.mode)}, by kind of question", kinds]
        if report.judge is not None:
            parts += [
                f"### {_cell(report.mode)}, judged by {_cell(report.judge.model)}",
                _judge(report.judge),
            ]
    parts += ["### Conditions", _conditions(reports)]
    return "\n\n".join(parts) + "\n"


def comparison_markdown(comparisons: Sequence[Comparison]) -> str:
    """One table for each pair of reports."""
    return (
        "\n\n".join(
            f"## {_cell(each.dataset)}: {_cell(each.mode_a)} (A) and {_cell(each.mode_b)} (B)\n\n"
            + _table(
                ("metric", "A", "B", "B - A", "95 % interval", "p", "questions"),
                (
                    (
                        name,
                        f"{found.a:.4f}",
                        f"{found.b:.4f}",
                        f"{found.difference:+.4f}",
                        f"{found.low:+.4f} to {found.high:+.4f}",
                        f"{found.p:.4f}",
                        str(found.questions),
                    )
                    for name, found in each.differences.items()
                ),
            )
            for each in comparisons
        )
        + "\n"
    )


def _metrics(reports: Sequence[Report]) -> str:
    names = dict.fromkeys(name for report in reports for name in report.metrics)
    return _table(
        ("metric", *(report.mode for report in reports)),
        ((name, *(_with_interval(report, name) for report in reports)) for name in names),
    )


def _with_interval(report: Report, name: str) -> str:
    if name not in report.metrics:
        return ""
    low, high = report.intervals[name]
    return f"{report.metrics[name]:.4f} ({low:.3f} to {high:.3f})"


def _kinds(report: Report) -> str:
    kinds = by_kind(report.questions)
    if not kinds:
        return ""
    names = names_of(question.scores for question in report.questions)
    rows = []
    for kind, questions in kinds.items():
        found = kind_figures(questions)
        rows.append((kind, str(len(questions)), *(f"{found[n]:.3f}" if n in found else "" for n in names)))
    return _table(("kind", "questions", *names), rows)


def _judge(judge: JudgeSummary) -> str:
    failed = sum(judge.failed.values())
    rows = (("quality", "correct", judge.quality), ("faithfulness", "outcome ANSWERED", judge.faithfulness))
    return (
        f"{judge.judged} answers judged, {judge.unreadable} verdicts unreadable, {failed} calls failed; "
        f"prompt {judge.prompt_version}, SHA-256 `{judge.prompt_sha256[:12]}`.\n\n"
        + _table(
            ("4 or 5 of 5 in", "beside", "agreement", "Cohen's kappa"),
            ((name, beside, f"{found.share:.3f}", _kappa(found)) for name, beside, found in rows),
        )
    )


def _kappa(found: Agreement) -> str:
    return "none: both always say the same" if found.kappa is None else f"{found.kappa:.3f}"


def _conditions(reports: Sequence[Report]) -> str:
    names = [name for name in _CONDITIONS if any(name in report.settings for report in reports)]
    rows = (
        (name, *("" if (value := report.settings.get(name)) is None else _shown(value) for report in reports))
        for name in names
    )
    return _table(("", *(report.mode for report in reports)), rows)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
