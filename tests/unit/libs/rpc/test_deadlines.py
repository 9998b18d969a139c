"""A deadline hands out slices of what is left."""

import math

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline


def test_a_slice_respects_reserve_share_and_cap() -> None:
    clock = ManualClock()
    deadline = Deadline.after(10, clock)
    assert deadline.slice(reserve=1, share=1 / 3) == pytest.approx(3)
    assert deadline.slice(cap=2) == 2
    clock.advance(9.5)
    assert deadline.slice(reserve=1) == 0
    clock.advance(5)
    assert deadline.remaining() == 0


def test_too_little_time_is_refused_before_work_begins() -> None:
    deadline = Deadline.after(0.05, ManualClock())
    deadline.require(0.05)
    with pytest.raises(DocuQueryError) as caught:
        deadline.require(0.1)
    assert caught.value.reason == reasons.ERROR_REASON_DEADLINE_TOO_SHORT
    assert caught.value.metadata == {"minimum_ms": "100"}


def test_no_limit_is_infinite() -> None:
    deadline = Deadline.never(ManualClock())
    deadline.require(1e9)
    assert math.isinf(deadline.slice(share=0.5))
