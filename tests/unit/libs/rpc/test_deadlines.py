"""A deadline hands out slices of what is left."""

import asyncio
import math

import pytest
import uvloop

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock, SystemClock
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


def test_when_a_timer_set_for_it_rings_it_has_passed_on_the_loop_that_services_use() -> None:
    async def left() -> list[float]:
        clock, left = SystemClock(), []
        for number in range(60):
            deadline = Deadline.after(0.003 + number * 0.00013, clock)
            try:
                async with asyncio.timeout(deadline.remaining()):
                    await asyncio.Event().wait()
            except TimeoutError:
                left.append(deadline.remaining())
        return left

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(left()) == [0] * 60
