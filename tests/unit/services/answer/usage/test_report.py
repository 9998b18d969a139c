"""Sums by tenant, provider, model and day."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.answer.usage.report import FIELDS, summarise
from tests.unit.services.answer.usage.support import record

NEXT_DAY = record().time + timedelta(minutes=2)


def test_attempts_are_summed_by_the_chosen_fields_in_their_order() -> None:
    report = summarise(
        [
            record(tenant="b"),
            record(tenant="a", time=NEXT_DAY),
            record(tenant="a", result="PROVIDER_TIMEOUT", cost_micro_usd=30, estimated=True),
            record(tenant="a", cost_micro_usd=None),
        ],
        ["tenant", "day"],
    )
    assert [(values, s.attempts, s.failed, s.cost_micro_usd, s.unpriced) for values, s in report.rows] == [
        (("a", "2026-05-04"), 2, 1, 30, 1),
        (("a", "2026-05-05"), 1, 0, 120, 0),
        (("b", "2026-05-04"), 1, 0, 120, 0),
    ]
    total = report.total
    assert (total.attempts, total.failed, total.estimated) == (4, 1, 1)
    assert (total.prompt_tokens, total.completion_tokens, total.cost_micro_usd) == (400, 40, 270)


def test_an_attempt_that_took_no_tokens_needs_no_price() -> None:
    nothing = record(prompt_tokens=0, completion_tokens=0, cost_micro_usd=None, result="PROVIDER_OVERLOADED")
    assert summarise([nothing], ["model"]).total.unpriced == 0


@given(
    st.lists(st.builds(record, tenant=st.sampled_from("ab"), cost_micro_usd=st.none() | st.integers(0, 9))),
    st.lists(st.sampled_from(FIELDS), min_size=1, unique=True),
)
def test_the_rows_add_up_to_the_total(records: list[object], by: list[str]) -> None:
    report = summarise(records, by)  # type: ignore[arg-type] # built by hypothesis
    for name in ("attempts", "failed", "prompt_tokens", "cost_micro_usd", "unpriced"):
        assert sum(getattr(s, name) for _, s in report.rows) == getattr(report.total, name)
