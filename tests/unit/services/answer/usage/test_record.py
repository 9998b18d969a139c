"""A record is one line of JSON and comes back whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.usage.record import from_line, to_line
from tests.unit.services.answer.usage.support import record


@given(st.text(), st.text(), st.none() | st.integers(min_value=0))
def test_a_record_is_one_line_and_is_read_again(tenant: str, model: str, cost: int | None) -> None:
    told = record(tenant=tenant, model=model, cost_micro_usd=cost)
    line = to_line(told)
    assert line.isascii()
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert from_line(line) == told


def test_fields_of_a_newer_program_are_passed_over() -> None:
    document = {**json.loads(to_line(record())), "new": 1}
    assert from_line(json.dumps(document)) == record()


@pytest.mark.parametrize(
    "line",
    ["", "{}", "[]", "5", '{"time": "x"}', to_line(record())[:40], to_line(record(prompt_tokens="5"))],
)
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a usage log"):
        from_line(line)
