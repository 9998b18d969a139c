"""What is written for callers is made from the code, the settings and the examples, and is up to date."""

from __future__ import annotations

import re

import pytest

from libs.errors import CODES, reason_name
from tools import callers


def test_the_page_is_what_the_code_gives() -> None:
    page = callers.FILE.read_text()
    assert page == callers.document(page), "run make docs"


def test_the_service_config_is_what_the_table_gives() -> None:
    for path in callers.SERVICE_CONFIGS:
        assert path.read_text() == callers.service_config(), "run make docs"


def test_a_page_without_a_place_for_a_part_is_refused() -> None:
    page = callers.FILE.read_text()
    with pytest.raises(ValueError, match="codes"):
        callers.document(page.replace("<!-- end of codes -->", ""))


def test_no_part_of_an_older_page_stays() -> None:
    page = callers.FILE.read_text()
    assert callers.document(page.replace("| `GetStats` |", "| `Gone` |")) == page


def test_every_reason_stands_once_under_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", callers.parts()["codes"], re.M)
    told = [(reason, code) for code, cells in rows for reason in re.findall(r"`(\w+)`", cells)]
    assert sorted(told) == sorted(
        (reason_name(reason), code.name) for reason, code in CODES.items() if reason
    )
