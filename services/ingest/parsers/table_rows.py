"""Writes table rows so that each is understood alone: `Header: value | Header: value`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.ingest.parsers.errors import limit_exceeded
from services.ingest.parsers.text_builder import TextBuilder
from services.ingest.text.normalisation import one_line

CELL_GAP = " | "
MAX_CELLS = 1_000_000
"""Filled cells of one document."""

_MAX_HEADER = 100
"""Code points; a longer first cell is data."""
_NUMBER = re.compile(
    r"[-+(]?\s*[$€£¥]?\s*\d[\d.,'\s]*\)?\s*[%$€£¥]?\Z|\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
)
_YEAR = re.compile(r"(?:19|20)\d\d\Z")


@dataclass(slots=True)
class CellBudget:
    """Counts the filled cells of a document against a limit."""

    limit: int = MAX_CELLS
    used: int = 0

    def spend(self, row: Sequence[str]) -> None:
        """Counts a row. Raises ParseError PARSE_LIMIT_EXCEEDED (`cells`)."""
        self.used += sum(1 for cell in row if cell)
        if self.used > self.limit:
            raise limit_exceeded("cells", self.limit, f"Its tables hold more than {self.limit} cells.")


def is_header(row: Sequence[str], *, width: int = 0) -> bool:
    """Whether a table's first row names its columns: two short texts or more, no numbers but years.

    `width` is that of the widest row known, 0 when unknown: a header fills at least half of it.
    """
    filled = [cell for cell in row if cell]
    if len(filled) < 2 or len(filled) * 2 < max(width, len(row)):
        return False
    if any(len(cell) > _MAX_HEADER or (_NUMBER.match(cell) and not _YEAR.match(cell)) for cell in filled):
        return False
    # Years head columns beside a word ("Item | 2023 | 2024"); a row of nothing but numbers is data.
    return len({cell.casefold() for cell in filled}) > 1 and not all(_NUMBER.match(cell) for cell in filled)


def with_header(header: Sequence[str], row: Sequence[str]) -> str:
    """The filled cells of `row`, each after its column's name; empty when none is filled.

    A cell beyond the header, or under a blank one, stands without a name.
    """
    parts: list[str] = []
    for index, cell in enumerate(row):
        if cell:
            name = header[index] if index < len(header) else ""
            parts.append(f"{name}: {cell}" if name and name != cell else cell)
    return CELL_GAP.join(parts)


def plain(row: Sequence[str]) -> str:
    """The filled cells of `row`."""
    return CELL_GAP.join(cell for cell in row if cell)


def cell_text(raw: str) -> str:
    """A cell's text on one line."""
    return " ".join(raw.split())


def header_names(row: Sequence[str]) -> list[str]:
    """The names of columns as they stand before each value and its colon, at most 100 code points each."""
    return [one_line(cell, _MAX_HEADER).rstrip(":").rstrip() for cell in row]


def write_table(builder: TextBuilder, rows: Iterable[Sequence[str]], budget: CellBudget) -> None:
    """Writes a table as it stands in a text document: its first row may be its header."""
    table = [row for row in rows if any(row)]
    for row in table:
        budget.spend(row)
    if len(table) < 2 or not is_header(table[0], width=max(map(len, table))):
        for row in table:
            builder.row(plain(row))
        return
    header = header_names(table[0])
    for row in table[1:]:
        builder.record(with_header(header, row))


@dataclass(slots=True)
class SheetWriter:
    """Writes the rows of a sheet one after another; holds no more than one header and one row.

    A sheet may hold several tables, set apart by blank rows, with titles and notes above them. A row that
    looks like a header begins a table at the top of the sheet and after a blank row, unless it fills just
    the columns of the table before the gap.
    """

    builder: TextBuilder
    budget: CellBudget
    _header: list[str] = field(default_factory=list)
    _columns: frozenset[int] = frozenset()
    _fresh: bool = True
    """At the top, or after a blank row: a table may begin."""
    _unused: bool = False
    """The header has no row yet."""

    def write(self, row: Sequence[str]) -> None:
        """Takes the next row, blank ones included."""
        if not any(row):
            self._fresh = True
            return
        columns = frozenset(index for index, cell in enumerate(row) if cell)
        self.budget.spend(row)
        if self._fresh and columns != self._columns and is_header(row[min(columns) : max(columns) + 1]):
            self.finish()
            self._header, self._columns, self._unused = header_names(row), columns, True
            self._fresh = False
            return
        # A title or a note above or below a table is no row of it, nor does it end the hope for a header.
        if len(columns) == 1 and (not self._header or self._fresh):
            self.finish()
            self._header, self._columns = [], frozenset()
            self.builder.paragraph(plain(row))
            return
        self._fresh = False
        self._unused = False
        if self._header:
            self.builder.record(with_header(self._header, row))
        else:
            self.builder.row(plain(row))

    def finish(self) -> None:
        """Ends the sheet: a header without rows is written by itself."""
        if self._unused:
            self.builder.row(plain(self._header))
        self._unused = False
