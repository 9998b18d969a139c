"""The rows of an HTML table, each with the names of its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from lxml import etree

from services.ingest.parsers.table_rows import CELL_GAP, header_names

_MAX_SPAN = 1000
"""Columns a cell may claim, as in the HTML standard (4.9.11)."""
_MAX_ROW_SPAN = 1000
"""Rows; a cell beside more of them is a frame, whose text need not stand in each."""
_MAX_HEADER_COLUMNS = 1000
_MAX_HEADER_ROWS = 3
"""Rows of nothing but header cells; a table with more is a table of header cells, not of columns."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row."""

    text: str
    is_header: bool
    columns: int
    rows: int


def cell_of(element: etree._Element | None, text: str) -> Cell:
    """The cell `element` (HTML's or trafilatura's) with its text on one line; None for text in no cell."""
    line = " ".join(text.split())
    if element is None:
        return Cell(line, False, 1, 1)
    return Cell(
        line,
        element.tag == "th" or element.get("role") == "head",
        _number(element.get("colspan"), _MAX_SPAN),
        _number(element.get("rowspan"), _MAX_ROW_SPAN),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is written."""

    text: str
    names_columns: bool
    """Whether it can be understood alone."""


@dataclass(slots=True)
class Table:
    """Takes the rows of one table in order; holds back header rows until a row needs them.

    Only rows made of header cells alone (`th`) name columns: they may stand at the top or further down, and
    several in a row are joined column by column.
    """

    _header: dict[int, str] = field(default_factory=dict)
    _waiting: list[dict[int, str]] = field(default_factory=list)
    """Header rows that no row has followed yet."""
    _below: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Column → rows still covered by a cell from above, and its text."""

    def row(self, cells: list[Cell]) -> Iterator[Row]:
        """What can be written once the next row is known."""
        placed = self._placed(cells)
        filled = {column: text for column, text in placed.items() if text}
        if not any(cell.text for cell in cells):
            return
        if len(filled) > 1 and all(cell.is_header for cell in cells if cell.text):
            if len(self._waiting) == _MAX_HEADER_ROWS:
                yield from self.end()
            self._waiting.append(self._spread(placed, cells))
            return
        if self._waiting:
            self._header = self._joined()
            self._waiting.clear()
        if self._header:
            yield Row(CELL_GAP.join(self._named(column, text) for column, text in filled.items()), True)
        else:
            yield Row(CELL_GAP.join(filled.values()), False)

    def end(self) -> Iterator[Row]:
        """Header rows that nothing followed are rows like others."""
        for row in self._waiting:
            # A text over several columns stands in each of them.
            yield Row(CELL_GAP.join(text for text, _ in groupby(filter(None, row.values()))), False)
        self._waiting.clear()

    def _placed(self, cells: list[Cell]) -> dict[int, str]:
        """Column → text; cells that reach down from above repeat theirs."""
        placed: dict[int, str] = {}
        above, self._below = self._below, {}
        for column, (rows, text) in above.items():
            placed[column] = text
            if rows > 1:
                self._below[column] = (rows - 1, text)
        column = 0
        for cell in cells:
            while column in placed:
                column += 1
            placed[column] = cell.text
            if cell.rows > 1:
                self._below[column] = (cell.rows - 1, cell.text)
            column += cell.columns
        return dict(sorted(placed.items()))

    def _spread(self, placed: dict[int, str], cells: list[Cell]) -> dict[int, str]:
        """A header row by column: a cell over several columns names each of them."""
        if all(cell.columns == 1 for cell in cells):
            return placed
        spread: dict[int, str] = {}
        starts = [*placed, max(placed) + max(cell.columns for cell in cells)]
        for start, end in pairwise(starts):
            for column in range(start, min(end, _MAX_HEADER_COLUMNS)):
                spread[column] = placed[start]
        return spread

    def _joined(self) -> dict[int, str]:
        columns = dict.fromkeys(column for row in self._waiting for column in row)
        # A header over two rows and columns stands in both rows: once is enough.
        named = [
            " ".join(dict.fromkeys(row[column] for row in self._waiting if row.get(column)))
            for column in columns
        ]
        return dict(zip(columns, header_names(named), strict=True))

    def _named(self, column: int, text: str) -> str:
        name = self._header.get(column, "")
        return f"{name}: {text}" if name and name != text else text


def _number(value: str | None, largest: int) -> int:
    digits = (value or "").strip()
    # int() takes digits of any script and as many as there are; a page may hold megabytes of them.
    return max(1, min(int(digits[:6]), largest)) if digits.isascii() and digits.isdecimal() else 1
