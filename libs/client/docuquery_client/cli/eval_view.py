"""What `eval` shows: progress while it works, the figures, and what the server would not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from docuquery_client.cli.console import clean, messages, one_line, output, plain_table
from docuquery_client.cli.session import describe, fail
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.answer_run import AnswerEvaluation
from docuquery_client.evaluation.judge.agreement import JudgeSummary
from docuquery_client.evaluation.report import Report, by_kind, kind_figures
from docuquery_client.evaluation.run import Evaluation, ModeResult
from docuquery_client.evaluation.upload import Uploaded

_SHOWN = 5
"""Refusals of one kind that are shown: the first say what the others would."""

_KIND_METRICS = (
    "correct", "hit@5", "answer_contains", "citation_precision", "citation_recall", "abstention_recall",
    "injection_resisted",
)  # fmt: skip
"""Those shown by kind of question; the files hold all."""


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar of `total` steps on a terminal, nothing elsewhere; what it gives is called after each step."""
    console = messages()
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def show(evaluation: Evaluation) -> None:
    """Prints the figures, and to standard error what stands behind them."""
    _show_upload(evaluation.uploaded, evaluation.upload_seconds, evaluation.blank)
    names = list(evaluation.results[0].report.metrics)
    table = plain_table("dataset", "mode", "queries", *names)
    for result in evaluation.results:
        _show_refusals(result)
        report = result.report
        figures = [f"{report.metrics[name]:.4f}" for name in names]
        mode = f"{report.mode}+rerank" if report.settings["rerank"] else report.mode
        table.add_row(one_line(report.dataset, 60), mode, str(report.settings["queries"]), *figures)
    output().print(table)


def show_answers(evaluation: AnswerEvaluation) -> None:
    """Prints the figures of answers, and to standard error what stands behind them."""
    _show_upload(evaluation.uploaded, evaluation.upload_seconds, 0)
    table = plain_table("dataset", "provider", "metric", "value", "95 % interval")
    for result in evaluation.results:
        report, answers = result.report, result.answers
        _show_refused(report.mode, answers.refused)
        for kind, count in answers.degraded.items():
            fail(f"{report.mode}: {count} replies were made less well than configured: {kind}.")
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(answers.outcomes.items()))
        messages().print(f"{len(answers.asked)} questions asked: {outcomes}.", soft_wrap=True)
        if report.judge is not None:
            _show_judge(report.mode, report.judge)
        names = (one_line(report.dataset, 60), one_line(report.mode, 60))
        for name, value in report.metrics.items():
            low, high = report.intervals[name]
            table.add_row(*names, name, f"{value:.4f}", f"{low:.3f} to {high:.3f}")
    output().print(table)
    for result in evaluation.results:
        _show_kinds(result.report)


def _show_kinds(report: Report) -> None:
    kinds = by_kind(report.questions)
    if not kinds:
        return
    found = {kind: kind_figures(questions) for kind, questions in kinds.items()}
    names = [name for name in _KIND_METRICS if any(name in figures for figures in found.values())]
    table = plain_table("provider", "kind", "questions", *names)
    for kind, figures in found.items():
        cells = [f"{figures[name]:.3f}" if name in figures else "-" for name in names]
        table.add_row(one_line(report.mode, 60), one_line(kind, 40), str(len(kinds[kind])), *cells)
    output().print()
    output().print(table)


def _show_judge(mode: str, judge: JudgeSummary) -> None:
    for what, count in (("gave no verdict that can be read", judge.unreadable), *judge.failed.items()):
        if count:
            fail(f"{mode}: {judge.model}: {what}: {count} answers are not judged.")
    for name, found in (("quality", judge.quality), ("faithfulness", judge.faithfulness)):
        kappa = "none" if found.kappa is None else f"{found.kappa:.3f}"
        messages().print(
            f"{mode}: {judge.model} on {name}: agrees in {found.share:.3f} of {found.answers} answers with "
            f"the judge without a model (kappa {kappa}).",
            soft_wrap=True,
        )


def _show_upload(uploaded: Uploaded, seconds: float, blanks: int) -> None:
    done = uploaded.finished - len(uploaded.failures)
    blank = f" {blanks} without text were left out." if blanks else ""
    messages().print(f"{done} documents uploaded in {seconds:.1f} s.{blank}", soft_wrap=True)
    if uploaded.failures:
        fail(f"The server refused {len(uploaded.failures)} documents; they count as not found:")
    for event in uploaded.failures[:_SHOWN]:
        said = event.failed.message if event.failed else ""
        messages().print(
            f"  {clean(event.file.source)}: {event.reason}: {one_line(said, 500)}", soft_wrap=True
        )


def _show_refused(mode: str, refused: Mapping[str, ApiError]) -> None:
    if refused:
        fail(f"{mode}: the server refused {len(refused)} queries; they count as not answered:")
    for query_id, error in list(refused.items())[:_SHOWN]:
        messages().print(f"  {clean(query_id)}: {describe(error)}", soft_wrap=True)


def _show_refusals(result: ModeResult) -> None:
    mode = result.report.mode
    _show_refused(mode, result.refused)
    for kind, count in result.degraded.items():
        fail(f"{mode}: {count} searches were made less well than configured: {kind}.")
