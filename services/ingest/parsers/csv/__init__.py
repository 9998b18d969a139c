"""Values separated by commas, semicolons, tabs or bars: every row with the names of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.csv.dialect import declared_delimiter, find_delimiter
from services.ingest.parsers.encoding import decode
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.table_rows import (
    CellBudget,
    cell_text,
    header_names,
    is_header,
    plain,
    with_header,
)
from services.ingest.parsers.text_builder import TextBuilder

_LONGEST_FIELD = 1024 * 1024
"""Characters. A longer one is a quotation mark without its partner."""
_END = "end"
_MOST_LINES = 1000
"""Lines inside one field; as above."""


def parse(data: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """A paragraph a row; the first row names the columns unless it holds numbers.

    Rows longer or shorter than the header are kept as they are; a quotation mark that is never closed
    counts as a letter.
    Raises ParseError: UNKNOWN_TEXT_ENCODING, PARSE_LIMIT_EXCEEDED.
    """
    text = decode(data)
    delimiter = find_delimiter(text) or ","
    text = text[declared_delimiter(text)[1] :]
    quoting = csv.QUOTE_MINIMAL if _quotes_match(text, delimiter) else csv.QUOTE_NONE
    builder, budget = TextBuilder(limits), CellBudget()
    rows = _rows(text, delimiter, quoting)
    header: list[str] = []
    first = next(rows, None)
    if first is not None and is_header(first):
        header = header_names(first)
    elif first is not None:
        budget.spend(first)
        builder.record(plain(first))
    written = False
    for row in rows:
        budget.spend(row)
        builder.record(with_header(header, row))
        written = True
    if header and not written:
        builder.record(plain(header))
    return builder.build(DocumentType.CSV)


def _quotes_match(text: str, delimiter: str) -> bool:
    """Whether every quotation mark that opens a field has a partner that closes it."""
    last: list[str] = []
    try:
        # One left open takes in all the rest, the line added here included.
        for row in _reader(f"{text}\n{_END}", delimiter, csv.QUOTE_MINIMAL):
            if any(len(field) > _LONGEST_FIELD or field.count("\n") > _MOST_LINES for field in row):
                return False
            last = row
    except csv.Error:
        return False
    return last == [_END]


def _rows(text: str, delimiter: str, quoting: int) -> Iterator[list[str]]:
    """The rows that hold something."""
    for fields in _reader(text, delimiter, quoting):
        row = [cell_text(field) for field in fields]
        if any(row):
            yield row


def _reader(text: str, delimiter: str, quoting: int) -> Iterator[list[str]]:
    # The module's own limit of 131,072 characters holds for the process; ours is set beside every use.
    csv.field_size_limit(2**31 - 1)
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting == csv.QUOTE_MINIMAL else csv.QUOTE_NONE,
        skipinitialspace=True,
    )
