"""Excel workbooks: a section a sheet, every row with the names of its columns."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from xml.etree.ElementTree import ParseError as XmlError

import openpyxl
from defusedxml.common import DefusedXmlException
from lxml import etree
from openpyxl.utils.exceptions import InvalidFileException

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.errors import corrupt, limit_exceeded
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.table_rows import CellBudget, SheetWriter, cell_text
from services.ingest.parsers.text_builder import TextBuilder
from services.ingest.parsers.xlsx.merges import read_merges
from services.ingest.parsers.zip_limits import check_office_file

MAX_ROWS = 1_048_576
"""Of one sheet, blank ones included: Excel's own limit. A file may claim two thousand million."""
MAX_VISITED = 10_000_000
"""Cells looked at, blank ones included: a row may claim 16,384 columns, a sheet a million rows."""

_ODD = (
    InvalidFileException,
    OSError,  # no workbook in the archive
    DefusedXmlException,
    XmlError,
    zipfile.BadZipFile,
    etree.LxmlError,
    KeyError,
    ValueError,
    AttributeError,
    TypeError,
    IndexError,
    OverflowError,
)


def parse(path: Path, limits: ParseLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """Every sheet under a heading of its name; formulas by the values they last had.

    Blank rows and cells are left out; a cell merged downwards repeats its text in every row. Links to other
    workbooks, data connections and embedded files are never followed.
    Raises ParseError: DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED, PARSE_LIMIT_EXCEEDED.
    """
    check_office_file(path, "Excel", limits)
    builder, budget = TextBuilder(limits), CellBudget()
    # The library takes what does not end in .xlsx by its name for something else; a file has no name.
    try:
        with path.open("rb") as file:
            workbook = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            title = workbook.properties.title or ""
            visited = 0
            for sheet in workbook.worksheets:
                # The size a sheet claims may be wrong either way; its cells are right.
                sheet.reset_dimensions()
                builder.heading(1, sheet.title)
                writer = SheetWriter(builder, budget)
                # Read row by row, the library tells nothing of merged cells; their list follows the rows.
                with sheet._get_source() as part:
                    merges = read_merges(part)
                for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                    visited += len(row) + 1
                    if number > MAX_ROWS:
                        raise limit_exceeded("rows", MAX_ROWS, "One of its sheets is too long.")
                    if visited > MAX_VISITED:
                        raise limit_exceeded("cells", MAX_VISITED, "Its sheets are too large.")
                    writer.write(merges.fill(number, [_text(value) for value in row] if row else ()))
                writer.finish()
    except _ODD as error:
        raise corrupt("Excel") from error
    # A workbook is no chapter of its first sheet.
    return builder.build(DocumentType.XLSX, title or " ")


def _text(value: object) -> str:
    """A cell as people read it: ISO dates, whole numbers without a point, TRUE and FALSE."""
    match value:
        case None:
            return ""
        case str():
            return cell_text(value)
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            # Fifteen digits are what Excel keeps: 0.1 + 0.2 is 0.3 there.
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
        case datetime.datetime():
            midnight = value.time() == datetime.time()
            return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return cell_text(str(value))
