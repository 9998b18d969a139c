"""Refused calls in the log."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from libs.clock import ManualClock
from libs.rpc.context import Identity
from services.gateway.admission.refusals import Refusals

QUERY = "/docuquery.gateway.v1.DocuQueryService/Query"


def key(name: str) -> Identity:
    return Identity("acme", name, frozenset())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_second_s_refusals_are_one_line_for_each_caller_and_rule(clock: ManualClock) -> None:
    refusals = Refusals(clock)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        refusals.note(QUERY, "full")
        lines.clear()
        for _ in range(3):
            refusals.note(QUERY, "rate_limit", key("batch"))
        refusals.note(QUERY, "rate_limit", key("shop"))
        assert lines == []
        clock.advance(1)
        with structlog.contextvars.bound_contextvars(tenant="another", request_id="r1"):
            refusals.note(QUERY, "bulkhead")
    told = {"event": "calls_refused", "log_level": "warning", "method": "Query"}
    assert lines == [
        {**told, "by": "rate_limit", "count": 3, "tenant": "acme", "caller": "batch"},
        {**told, "by": "rate_limit", "count": 1, "tenant": "acme", "caller": "shop"},
        {**told, "by": "bulkhead", "count": 1},
    ]


def test_callers_without_number_do_not_fill_the_log(clock: ManualClock) -> None:
    refusals = Refusals(clock)
    refusals.note(QUERY, "full")
    for number in range(100):
        refusals.note(QUERY, "rate_limit", key(str(number)))
    clock.advance(1)
    with capture_logs() as lines:
        refusals.note(QUERY, "rate_limit", key("0"))
    assert len(lines) == 11
    assert lines[0]["count"] == 2
    assert lines[-1] == {"event": "calls_refused", "log_level": "warning", "by": "several", "count": 90}
