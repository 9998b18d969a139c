"""What the commands say: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.clock import Clock, SystemClock

# On a terminal a line is drawn over; a log gets fewer, since it keeps them.
_EVERY_SECONDS_TERMINAL = 0.5
_EVERY_SECONDS_LOG = 10.0


class AdminError(Exception):
    """A command cannot be done; the text is a sentence that says what to do."""


def say(text: str) -> None:
    """One line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """One line on the way there."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns wide enough for what they hold; numbers with thousands separated, to the right."""
    lines = [list(header), *([_cell(value) for value in row] for row in rows)]
    is_number = [
        bool(rows) and all(isinstance(row[column], int) for row in rows) for column in range(len(header))
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, is_number, strict=True)
        )
        say("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(count: int, noun: str) -> str:
    """For example `1 document`, `12,000 documents`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def megabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e6:,.1f} MB"


@dataclass(slots=True)
class Progress:
    """How far a long command is, told now and then."""

    total: int
    what: str
    """What is counted: `chunks`."""
    clock: Clock = field(default_factory=SystemClock)
    done: int = 0
    _started: float = field(init=False)
    _told: float = field(init=False)
    _drawn: bool = False

    def __post_init__(self) -> None:
        self._started = self._told = self.clock.monotonic()

    def advance(self, count: int) -> None:
        """`count` more are done."""
        self.done += count
        now = self.clock.monotonic()
        on_terminal = sys.stderr.isatty()
        if now - self._told >= (_EVERY_SECONDS_TERMINAL if on_terminal else _EVERY_SECONDS_LOG):
            self._told = now
            self._drawn = on_terminal
            sys.stderr.write(f"\r\x1b[K{self.line(now)}" if on_terminal else self.line(now) + "\n")
            sys.stderr.flush()

    def line(self, now: float) -> str:
        """For example `  41,200 of 100,000 chunks, 3,400/s, 17 s left`."""
        rate = self.done / max(now - self._started, 1e-3)
        left = f", {max(self.total - self.done, 0) / rate:,.0f} s left" if rate else ""
        return f"  {self.done:,} of {self.total:,} {self.what}, {rate:,.0f}/s{left}"

    def finish(self) -> None:
        """Takes the line off the terminal."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
