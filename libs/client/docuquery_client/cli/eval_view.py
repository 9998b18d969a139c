"""What `eval` shows: progress while it works, the figures, and what the server would not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from docuquery_client.cli.console import clean, messages, one_line, output, plain_table
from docuquery_client.cli.session import describe, fail
from docuquery_client.evaluation.run import Evaluation, ModeResult

_SHOWN = 5
"""Refusals of one kind that are shown: the first say what the others would."""


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
    _show_upload(evaluation)
    names = list(evaluation.results[0].report.metrics)
    table = plain_table("dataset", "mode", "queries", *names)
    for result in evaluation.results:
        _show_refusals(result)
        report = result.report
        figures = [f"{report.metrics[name]:.4f}" for name in names]
        mode = f"{report.mode}+rerank" if report.settings["rerank"] else report.mode
        table.add_row(one_line(report.dataset, 60), mode, str(report.settings["queries"]), *figures)
    output().print(table)


def _show_upload(evaluation: Evaluation) -> None:
    uploaded = evaluation.uploaded
    done = uploaded.finished - len(uploaded.failures)
    blank = f" {evaluation.blank} without text were left out." if evaluation.blank else ""
    messages().print(
        f"{done} documents uploaded in {evaluation.upload_seconds:.1f} s.{blank}", soft_wrap=True
    )
    if uploaded.failures:
        fail(f"The server refused {len(uploaded.failures)} documents; they count as not found:")
    for event in uploaded.failures[:_SHOWN]:
        said = event.failed.message if event.failed else ""
        messages().print(
            f"  {clean(event.file.source)}: {event.reason}: {one_line(said, 500)}", soft_wrap=True
        )


def _show_refusals(result: ModeResult) -> None:
    mode = result.report.mode
    if result.refused:
        fail(f"{mode}: the server refused {len(result.refused)} queries; they count as not answered:")
    for query_id, error in list(result.refused.items())[:_SHOWN]:
        messages().print(f"  {clean(query_id)}: {describe(error)}", soft_wrap=True)
    for kind, count in result.degraded.items():
        fail(f"{mode}: {count} searches were made less well than configured: {kind}.")
