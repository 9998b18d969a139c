"""Where the figures of `eval` go besides the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from docuquery_client.cli.console import clean
from docuquery_client.cli.session import EXIT_FAILED, fail, usage_error
from docuquery_client.evaluation import plots
from docuquery_client.evaluation.compare import Comparison
from docuquery_client.evaluation.markdown import comparison_markdown, markdown
from docuquery_client.evaluation.report import Report
from docuquery_client.evaluation.report_file import write_json, write_whole


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files to write; None: not wanted."""

    json_file: Path | None
    markdown_file: Path | None
    plots: Path | None

    def check(self) -> None:
        """Before anything is measured: a place nothing can be written to is wrong usage."""
        for option, file in (("--json", self.json_file), ("--markdown", self.markdown_file)):
            if file is not None and not (file.parent.is_dir() and not file.is_dir()):
                raise usage_error(f"{option}: {clean(str(file))} is no file in an existing folder.")
        if self.plots is None:
            return
        if not plots.can_draw():
            raise usage_error(f"--plots: {plots.MISSING}.")
        if self.plots.exists() and not self.plots.is_dir():
            raise usage_error(f"--plots: {clean(str(self.plots))} is no folder.")

    def write(self, reports: Sequence[Report]) -> None:
        """Writes what is wanted of the reports."""
        if (file := self.json_file) is not None:
            _write("--json", file, lambda: write_json(file, reports))
        if (table := self.markdown_file) is not None:
            _write("--markdown", table, lambda: write_whole(table, markdown(reports)))
        if (folder := self.plots) is not None:
            _write("--plots", folder, lambda: plots.draw(folder, reports))

    def write_comparison(self, comparisons: Sequence[Comparison]) -> None:
        """Writes what is wanted of comparisons: the tables."""
        if (table := self.markdown_file) is not None:
            _write("--markdown", table, lambda: write_whole(table, comparison_markdown(comparisons)))


def _write(option: str, path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        fail(f"{option}: {clean(str(path))}: {error.strerror}.")
        raise typer.Exit(EXIT_FAILED) from None
