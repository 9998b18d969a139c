"""What is written about the contracts is made from them, and covers all of them."""

from __future__ import annotations

import re

from libs.errors import CODES, reason_name
from tools import contracts

PAGE = contracts.document()
HEADINGS = re.findall(r"^### (\S+)$", PAGE, re.M)


def test_the_file_is_what_the_contracts_give() -> None:
    assert contracts.FILE.read_text() == PAGE, "run make docs"


def test_everything_declared_has_a_section_of_its_own() -> None:
    declared = [
        f"{file.package.removeprefix('docuquery.')}.{one.name}"
        for file in contracts.files()
        for kind in (file.service, file.message_type, file.enum_type)
        for one in kind
    ]
    assert len(declared) > 100
    assert sorted(HEADINGS) == sorted(declared)


def test_every_field_value_and_method_has_its_row_with_a_meaning() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    members = sum(
        len(getattr(one, members))
        for file in contracts.files()
        for kind, members in (("service", "method"), ("message_type", "field"), ("enum_type", "value"))
        for one in getattr(file, kind)
    )
    assert len(rows) == members
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []


def test_every_reason_is_told_with_the_code_that_is_sent() -> None:
    for reason, code in CODES.items():
        assert re.search(rf"^\| `{reason_name(reason)}` \| {reason} \| `{code.name}` \|", PAGE, re.M)


def test_every_link_leads_to_a_section() -> None:
    anchors = {heading.replace(".", "").lower() for heading in HEADINGS}
    links = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert links
    assert set(links) <= anchors
