"""Cells of a sheet that are merged downwards: only the first of them holds the text of all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

_BLOCK = 64 * 1024
_LONGEST = 256
"""Bytes of one element, so that none is overlooked where two blocks meet."""
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s+ref=["']([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})["']""")
_MAX_MERGES = 10_000
_MAX_ROWS = 1000
"""A longer range is a frame around the sheet, not a group of rows."""
_MAX_COLUMNS = 256
"""Groups of rows stand at the left; filling in cells of the sixteen-thousandth column would only cost."""


@dataclass(slots=True)
class Merges:
    """Fills merged cells in, row by row from the top."""

    starts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Row, from 1 → (column from 0, last row) of the ranges that begin there."""
    _open: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Column → last row and text of a range that reaches further down."""

    def fill(self, number: int, row: Sequence[str]) -> Sequence[str]:
        """Row `number` with the texts of cells merged from above; a blank row stays blank."""
        if not self.starts and not self._open:
            return row
        filled = row
        if self._open and any(row):
            filled = list(row)
            for column, (last, text) in list(self._open.items()):
                if last < number:
                    del self._open[column]
                    continue
                # A row ends with its last filled cell.
                filled.extend("" for _ in range(column + 1 - len(filled)))
                filled[column] = filled[column] or text
        for column, last in self.starts.pop(number, ()):
            if column < len(row) and row[column]:
                self._open[column] = (last, row[column])
        return filled


def read_merges(part: IO[bytes]) -> Merges:
    """The ranges of a sheet, given its XML, that cover several rows; at most 10,000 of them.

    They stand behind the cells, so the part is run through once, in small blocks and without a tree.
    """
    merges = Merges()
    left, tail = _MAX_MERGES, b""
    while block := part.read(_BLOCK):
        data = tail + block
        end = 0
        for match in _MERGED.finditer(data):
            end = match.end()
            first, last = int(match[2]), int(match[3])
            column = _column(match[1])
            if first < last <= first + _MAX_ROWS and column < _MAX_COLUMNS and left:
                left -= 1
                merges.starts.setdefault(first, []).append((column, last))
        tail = data[max(end, len(data) - _LONGEST) :]
    return merges


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1
