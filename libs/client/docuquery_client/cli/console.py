"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import re
import sys

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 160
"""Columns of output that goes into a pipe or a file, unless COLUMNS says otherwise."""
_ANY_WIDTH = 100_000  # columns; more than any row of ours has

# C0 and C1 controls (line feed and tab aside) and the marks that reorder text: a document could use
# them to move the cursor, recolour the terminal, or show its text in another order than it stands.
# Surrogates, from file names that are not UTF-8, cannot be printed at all.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def output() -> Console:
    """Standard output; coloured on a terminal only."""
    return _console(stderr=False)


def messages() -> Console:
    """Standard error: progress, notes and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    plain = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(
        file=stream, width=PLAIN_WIDTH if plain else None, highlight=False, markup=False, emoji=False
    )


def plain_table(*columns: str) -> Table:
    """A table without lines, so that other programs can cut it; its first row names the columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_rows(table: Table) -> None:
    """Prints a table. Into a pipe or a file each row is one line, however long."""
    console = output()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        any_width = console.options.update(max_width=_ANY_WIDTH)
        console.width = max(console.width, console.measure(table, options=any_width).maximum)
    console.print(table)


def clean(text: str) -> str:
    """`text` without characters that would act on a terminal instead of being shown."""
    return _UNSAFE.sub("\ufffd", text.replace("\r\n", "\n"))


def one_line(text: str, limit: int) -> str:
    """`text` cleaned, with its white space collapsed, cut to `limit` characters with an ellipsis."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def to_json(message: Message) -> str:
    """A message as JSON, with the contract's field names and every field present."""
    return MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        ensure_ascii=False,
    )


def print_json(message: Message) -> None:
    """Prints a message as JSON and nothing else; JSON escapes control characters itself."""
    sys.stdout.write(to_json(message) + "\n")
