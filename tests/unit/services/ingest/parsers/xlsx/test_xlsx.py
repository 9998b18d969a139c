"""Excel workbooks: rows that can be understood alone."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from services.ingest.model import DocumentType
from services.ingest.parsers import table_rows
from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.xlsx import parse
from services.ingest.parsers.xlsx.merges import read_merges


def saved(workbook: Workbook, folder: Path) -> Path:
    path = folder / "upload"
    workbook.save(path)
    return path


def test_every_row_names_its_columns_under_its_sheet(tmp_path: Path) -> None:
    """Blank rows and columns are left out; dates are ISO, whole numbers have no point."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Staff"
    sheet["B2"] = "People of 2024"
    for column, values in {
        "B": ("Name", "Ann", "Bob"),
        "D": ("Since", datetime.datetime(2020, 3, 1), datetime.datetime(2021, 4, 2, 9, 30)),
        "E": ("Rate", 1.0, 0.1 + 0.2),
        "F": ("Active", True, None),
    }.items():
        for row, value in enumerate(values, 4):
            sheet[f"{column}{row}"] = value
    other = workbook.create_sheet("Empty")
    other["A1"] = "Only a note."
    parsed = parse(saved(workbook, tmp_path))
    assert parsed.text == (
        "Staff\n\nPeople of 2024\n\n"
        "Name: Ann | Since: 2020-03-01 | Rate: 1 | Active: TRUE\n\n"
        "Name: Bob | Since: 2021-04-02 09:30:00 | Rate: 0.3\n\n"
        "Empty\n\nOnly a note."
    )
    assert parsed.type == DocumentType.XLSX
    assert [(parsed.text[s.char_start :].split("\n")[0], s.headings) for s in parsed.sections] == [
        ("Staff", ("Staff",)),
        ("Empty", ("Empty",)),
    ]


def test_a_second_table_has_its_own_header_and_a_gap_ends_none(tmp_path: Path) -> None:
    """After a blank row, other columns make a new table; the same ones go on with the old."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    rows = (
        ("Item", "2023"),
        ("Tea", 5),
        (),
        ("Milk", "sold out"),
        (),
        ("City", "Mayor", "Party"),
        ("Ulm", "X", "Y"),
    )
    for row in rows:
        sheet.append(row)
    assert parse(saved(workbook, tmp_path)).text.split("\n\n")[1:] == [
        "Item: Tea | 2023: 5",
        "Item: Milk | 2023: sold out",
        "City: Ulm | Mayor: X | Party: Y",
    ]


def test_a_formula_without_a_cached_value_is_blank(tmp_path: Path) -> None:
    """Nothing is computed here; a program that saved the file would have left the value."""
    workbook = openpyxl.Workbook()
    workbook.active.append(["=1+1", "text"])
    assert "=1+1" not in parse(saved(workbook, tmp_path)).text


def test_too_many_cells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit and its name reach the caller."""
    monkeypatch.setattr(table_rows.CellBudget.__init__, "__defaults__", (10, 0))
    workbook = openpyxl.Workbook()
    for number in range(6):
        workbook.active.append([number, number])
    with pytest.raises(ParseError) as caught:
        parse(saved(workbook, tmp_path))
    assert caught.value.reason == "PARSE_LIMIT_EXCEEDED"
    assert caught.value.metadata == {"limit_name": "cells", "limit": "10"}


def test_an_archive_without_a_workbook_is_corrupt(tmp_path: Path) -> None:
    """So is one whose main part is cut off."""
    path = saved(openpyxl.Workbook(), tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ParseError) as caught:
        parse(path)
    assert caught.value.reason == "DOCUMENT_CORRUPT"


@pytest.mark.parametrize(
    ("rows", "limit"),
    [
        ('<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>', "rows"),
        ("".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 700)), "cells"),
    ],
)
def test_a_small_file_cannot_claim_a_huge_sheet(rows: str, limit: str, tmp_path: Path) -> None:
    """Rows and columns that hold nothing are counted too."""
    path = saved(openpyxl.Workbook(), tmp_path)
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'
    target = tmp_path / "claims"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            out.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else source.read(name))
    with pytest.raises(ParseError) as caught:
        parse(target)
    assert caught.value.metadata["limit_name"] == limit


def test_a_cell_merged_downwards_stands_in_every_row(tmp_path: Path) -> None:
    """Also where the sheet is long; blank rows inside the range stay blank, wide frames are no groups."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    rows = [("Plant", "Gauge", "Unit"), ("North", "N1", "bar"), (None, "N2", "bar"), (None, None, None)]
    for values in [*rows, (None, "N3", "bar"), ("South", "S1", "bar"), (None, "S2", "psi")]:
        sheet.append(values)
    sheet.merge_cells("A2:A5")
    sheet.merge_cells("A1:A1")
    sheet.merge_cells("C6:C7")
    lines = parse(saved(workbook, tmp_path)).text.split("\n\n")
    assert lines[1:] == [
        "Plant: North | Gauge: N1 | Unit: bar",
        "Plant: North | Gauge: N2 | Unit: bar",
        "Plant: North | Gauge: N3 | Unit: bar",
        "Plant: South | Gauge: S1 | Unit: bar",
        "Gauge: S2 | Unit: bar",
    ]


def test_merged_ranges_are_found_where_blocks_meet_and_bounded() -> None:
    """Whatever stands before them; at most 10,000, and none of more than 1,000 rows."""
    for before in range(65_400, 65_600):
        part = io.BytesIO(b" " * before + b'<mergeCell ref="AB3:AB5"/><x:mergeCell ref="A1:C1"/>')
        assert read_merges(part).starts == {3: [(27, 5)]}
    many = b"".join(b'<mergeCell ref="A%d:A%d"/>' % (n, n + 1) for n in range(1, 30_000, 2))
    assert len(read_merges(io.BytesIO(many)).starts) == 10_000
    assert not read_merges(io.BytesIO(b'<mergeCell ref="A1:A1048576"/>')).starts
