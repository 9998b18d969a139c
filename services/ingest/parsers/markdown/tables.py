"""Markdown tables, rewritten so that every row names its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it.token import Token

from services.ingest.parsers.table_rows import cell_text, header_names, plain, with_header
from services.ingest.text.normalisation import clean

_DELIMITER = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_BAR = re.compile(r"(?<!\\)\|")


def rewritten_tables(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(first line, line after the last, new text) of every table that is in no list or quotation.

    `tokens` are those of CommonMark, which takes a table for a paragraph: making tokens of every cell would
    take a hundred times the memory of the text. What is a table follows GitHub Flavored Markdown (4.10): a
    header, a delimiter row of as many cells, and rows up to the paragraph's end. Lines count from 0.

    A row becomes a paragraph `Header: value | Header: value`; a table whose header is blank keeps its rows
    as lines, one without rows its header.
    """
    for token in tokens:
        if token.type == "paragraph_open" and token.level == 0 and token.map is not None:
            first, last = token.map
            start = _table_start(lines, first, last)
            if start is not None:
                header = _cells(lines[start])
                yield start, last, clean(_text(header, [_cells(line) for line in lines[start + 2 : last]]))


def _table_start(lines: Sequence[str], first: int, last: int) -> int | None:
    for place in range(first, last - 1):
        below = lines[place + 1]
        if "|" in below and _DELIMITER.match(below) and len(_cells(lines[place])) == len(_cells(below)):
            return place
    return None


def _cells(line: str) -> list[str]:
    bare = line.strip()
    if bare.startswith("|"):
        bare = bare[1:]
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [cell_text(cell.replace("\\|", "|")) for cell in _BAR.split(bare)]


def _text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    names = header_names(header)
    if not rows or not any(names):
        return "\n".join(filter(None, map(plain, [header, *rows])))
    return "\n\n".join(filter(None, (with_header(names, row) for row in rows)))
