"""How a text separates values: told from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice

DELIMITERS = ",;\t|"

_SAMPLE_ROWS = 100
_SAMPLE_CHARACTERS = 64 * 1024
_FEWEST_REGULAR = 0.8
"""Share of rows that must have the usual number of columns."""
_DECLARED = re.compile(r"sep=(.)[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)


def declared_delimiter(text: str) -> tuple[str, int]:
    """The delimiter that a first line `sep=;` names, and where the data begins; ("", 0) without one."""
    match = _DECLARED.match(text)
    return (match[1], match.end()) if match else ("", 0)


def find_delimiter(text: str) -> str:
    """The delimiter that cuts the first lines of `text` into rows of one length; empty when none does.

    Prose has commas too, but not as many in every line: four rows of five must have the most frequent
    length, of at least two columns, and two of them are needed.
    """
    declared, start = declared_delimiter(text)
    if declared:
        return declared
    lines = _sample(text[start : start + _SAMPLE_CHARACTERS], whole=len(text) <= _SAMPLE_CHARACTERS)
    best, best_score = "", (0.0, 0)
    for delimiter in DELIMITERS:
        score = _score(lines, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _sample(text: str, *, whole: bool) -> list[str]:
    lines = [line for line in text.splitlines(keepends=True) if line.strip()]
    # The last line may be cut off.
    return lines if whole or len(lines) < 2 else lines[:-1]


def _score(lines: list[str], delimiter: str) -> tuple[float, int]:
    """(share of regular rows, columns); (0, 0) where the delimiter will not do."""
    try:
        # The last row of the sample may end inside quotes, which is no fault.
        rows = islice(csv.reader(lines, delimiter=delimiter), _SAMPLE_ROWS)
        widths = [len(row) for row in rows if row]
    except csv.Error:
        return 0.0, 0
    if len(widths) < 2:
        return 0.0, 0
    columns, count = max(Counter(widths).items(), key=lambda item: (item[1], item[0]))
    share = count / len(widths)
    return (round(share, 2), columns) if columns > 1 and share >= _FEWEST_REGULAR else (0.0, 0)
