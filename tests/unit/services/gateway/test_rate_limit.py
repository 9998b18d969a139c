"""The moving window, and the layer that asks it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.context import Identity
from libs.rpc.layered import IncomingCall
from services.gateway.admission import rate_limit_layer
from services.gateway.rate_limit import MovingWindowLimiter
from services.gateway.scopes import NEVER_LIMITED, REQUIRED_SCOPE


async def test_calls_within_the_limit_pass_and_the_next_waits_for_the_oldest_to_leave() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(2, 10, clock.monotonic)
    assert await limiter.acquire("a") == 0
    clock.advance(4)
    assert await limiter.acquire("a") == 0
    assert await limiter.acquire("a") == pytest.approx(6)
    clock.advance(6)
    assert await limiter.acquire("a") == 0
    assert await limiter.acquire("a") == pytest.approx(4)


async def test_callers_do_not_share_a_limit() -> None:
    limiter = MovingWindowLimiter(1, 10, ManualClock().monotonic)
    assert await limiter.acquire("a") == 0
    assert await limiter.acquire("b") == 0
    assert await limiter.acquire("a") > 0


async def test_refused_calls_do_not_count() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(1, 10, clock.monotonic)
    await limiter.acquire("a")
    for _ in range(100):
        await limiter.acquire("a")
    clock.advance(10)
    assert await limiter.acquire("a") == 0


async def test_quiet_callers_are_forgotten() -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(1, 10, clock.monotonic)
    for number in range(1000):
        await limiter.acquire(f"caller {number}")
    clock.advance(10)
    await limiter.acquire("a")
    assert list(limiter._calls) == ["a"]


@pytest.mark.parametrize(("limit", "window"), [(0, 10), (1, 0)])
def test_an_impossible_limit_is_refused(limit: int, window: float) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        MovingWindowLimiter(limit, window, ManualClock().monotonic)


@given(st.integers(1, 5), st.lists(st.floats(0, 7), min_size=1, max_size=40))
def test_no_stretch_of_a_window_ever_holds_more_and_the_wait_is_true(limit: int, steps: list[float]) -> None:
    clock = ManualClock()
    limiter = MovingWindowLimiter(limit, 10, clock.monotonic)
    passed: list[float] = []

    async def run() -> None:
        for step in steps:
            clock.advance(step)
            wait = await limiter.acquire("a")
            if wait:
                clock.advance(wait + 1e-9)
                assert await limiter.acquire("a") == 0, "whoever waits as told passes"
            passed.append(clock.monotonic())

    asyncio.run(run())
    for index, moment in enumerate(passed):
        assert sum(moment - 10 < other <= moment for other in passed[: index + 1]) <= limit


def call(method: str, caller: str = "backend") -> IncomingCall:
    async def served(_call: IncomingCall) -> None:
        pass

    incoming = IncomingCall(
        method, {}, None, request_streaming=False, response_streaming=False, _inward=(served,)
    )
    incoming.identity = Identity("acme", caller)
    return incoming


async def test_the_layer_refuses_with_the_true_wait() -> None:
    layer = rate_limit_layer(MovingWindowLimiter(1, 30, ManualClock().monotonic))
    method = "/docuquery.gateway.v1.DocuQueryService/Query"
    await layer(call(method))
    with pytest.raises(DocuQueryError) as error:
        await layer(call(method))
    assert (error.value.reason_name, error.value.retry_after_seconds) == ("RATE_LIMITED", 30)
    await layer(call(method, caller="other"))


@pytest.mark.parametrize("method", sorted(REQUIRED_SCOPE))
async def test_every_method_counts_but_those_that_show_how_the_system_is(method: str) -> None:
    layer = rate_limit_layer(MovingWindowLimiter(1, 30, ManualClock().monotonic))
    await layer(call(method))
    if method in NEVER_LIMITED:
        await layer(call(method))
    else:
        with pytest.raises(DocuQueryError):
            await layer(call(method))
