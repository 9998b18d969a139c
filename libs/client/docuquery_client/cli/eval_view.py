"""What `eval` shows: progress while it works, the figures, and what the server would not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from docuquery_client.cli.console import clean, messages, one_line, output, plain_table
from docuquery_client.cli.session import describe, fail
from docuquery_client.evaluation.ranking import Rankings
from docuquery_client.evaluation.ranking_metrics import METRICS
from docuquery_client.evaluation.run import Evaluation
from docuquery_client.evaluation.upload import Uploaded

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
    _show_upload(evaluation.uploaded, evaluation.upload_seconds)
    table = plain_table("dataset", "mode", "queries", *METRICS)
    for result in evaluation.results:
        _show_refusals(result.report.mode, result.found)
        report = result.report
        figures = [f"{report.metrics[name]:.4f}" for name in METRICS]
        table.add_row(one_line(report.dataset, 60), report.mode, str(report.settings["queries"]), *figures)
    output().print(table)


def _show_upload(uploaded: Uploaded, seconds: float) -> None:
    done = uploaded.finished - len(uploaded.failures)
    blank = f" {uploaded.blank} without text were left out." if uploaded.blank else ""
    messages().print(f"{done} documents uploaded in {seconds:.1f} s.{blank}", soft_wrap=True)
    if uploaded.failures:
        fail(f"The server refused {len(uploaded.failures)} documents; they count as not found:")
    for event in uploaded.failures[:_SHOWN]:
        said = event.failed.message if event.failed else ""
        messages().print(
            f"  {clean(event.file.source)}: {event.reason}: {one_line(said, 500)}", soft_wrap=True
        )


def _show_refusals(mode: str, found: Rankings) -> None:
    if found.refused:
        fail(f"{mode}: the server refused {len(found.refused)} queries; they count as not answered:")
    for query_id, error in list(found.refused.items())[:_SHOWN]:
        messages().print(f"  {clean(query_id)}: {describe(error)}", soft_wrap=True)
    for kind, count in found.degraded.items():
        fail(f"{mode}: {count} searches were made less well than configured: {kind}.")
