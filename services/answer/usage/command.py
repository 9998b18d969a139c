"""The command line: `docuquery admin cost`. Exit codes: 0 done, 1 nothing to read, 2 usage."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from libs.settings import load_settings
from services.answer.settings import Settings
from services.answer.usage.log_file import files_of
from services.answer.usage.record import UsageRecord, from_line
from services.answer.usage.report import FIELDS, CostReport, Sum, summarise

_PIPED_WIDTH = 240
_COLUMNS = ("attempts", "failed", "prompt tokens", "answer tokens", "USD")


def main(arguments: Sequence[str]) -> int:
    """Prints the report; returns the exit code."""
    options = _parser().parse_args(arguments)
    files = [Path(name) for name in options.files] or _configured()
    if not files:
        return _failed("There is no usage log: set USAGE_LOG_FILE for the answer service, or name files.")
    reader = _Reader(files, options.since, options.until)
    try:
        report = summarise(reader.records(), options.by)
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}.")
    if options.json:
        sys.stdout.write(json.dumps(_document(report, reader.skipped), indent=2) + "\n")
    else:
        _print(report)
    if reader.skipped:
        sys.stderr.write(f"{reader.skipped} lines could not be read and are not counted.\n")
    return 0


class _Reader:
    """Reads the lines of files, and counts those that are none of ours."""

    def __init__(self, files: Sequence[Path], since: date | None, until: date | None) -> None:
        self._files = files
        self._since = since or date.min
        self._until = until or date.max
        self.skipped = 0

    def records(self) -> Iterator[UsageRecord]:
        """The attempts of the chosen days."""
        for file in self._files:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    try:
                        record = from_line(line)
                    except ValueError:
                        self.skipped += 1
                        continue
                    if self._since <= record.time.date() <= self._until:
                        yield record


def _configured() -> Sequence[Path]:
    path = load_settings(Settings).usage_log_file
    return files_of(path) if path is not None else ()


def _document(report: CostReport, skipped: int) -> dict[str, object]:
    rows = [{**dict(zip(report.by, values, strict=True)), **_numbers(found)} for values, found in report.rows]
    return {"by": report.by, "rows": rows, "total": _numbers(report.total), "skipped_lines": skipped}


def _numbers(found: Sum) -> dict[str, object]:
    return {**asdict(found), "cost_usd": found.cost_micro_usd / 1_000_000}


def _print(report: CostReport) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in report.by:
        table.add_column(name)
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for values, found in report.rows:
        table.add_row(*values, *_cells(found))
    table.add_section()
    table.add_row("total", *[""] * (len(report.by) - 1), *_cells(report.total))
    # Piped, a table is not cut to the width of a screen that is not there.
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print(table)
    total = report.total
    if total.estimated:
        console.print(f"{total.estimated} of {total.attempts} attempts have estimated tokens.")
    if total.unpriced:
        console.print(f"{total.unpriced} attempts have no known price and count as nothing: see MODELS_FILE.")


def _cells(found: Sum) -> tuple[str, ...]:
    return (
        f"{found.attempts:,}",
        f"{found.failed:,}",
        f"{found.prompt_tokens:,}",
        f"{found.completion_tokens:,}",
        f"{found.cost_micro_usd / 1_000_000:,.6f}" + ("+" if found.unpriced else ""),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docuquery admin cost", description="Sums what answers took: attempts, tokens, money."
    )
    parser.add_argument("files", nargs="*", help="usage logs; default: USAGE_LOG_FILE and those put aside")
    parser.add_argument(
        "--by",
        type=_fields,
        default=("day", "tenant", "provider", "model"),
        help=f"some of {','.join(FIELDS)}, with commas (default: day,tenant,provider,model)",
    )
    parser.add_argument("--since", type=_day, help="first day, as 2026-01-31 (UTC)")
    parser.add_argument("--until", type=_day, help="last day")
    parser.add_argument("--json", action="store_true", help="print JSON, with costs in millionths of a USD")
    return parser


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in FIELDS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(FIELDS)}")
    return names


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day such as 2026-01-31") from None


def _failed(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1
