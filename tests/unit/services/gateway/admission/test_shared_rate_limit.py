"""Coming back to shared limits after Redis was away; what holds for every limiter is in tests/contract."""

from __future__ import annotations

import asyncio
import math

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from libs.clock import ManualClock
from services.gateway.admission.rate_limit import MovingWindowLimiter
from services.gateway.admission.shared_rate_limit import MOST_LOOK_SECONDS, SharedRateLimiter
from services.gateway.breakers.breaker import Breaker
from services.gateway.breakers.model import BreakerPolicy, State


class Outage:
    """A shared limiter that is away until a moment; counts who asks."""

    def __init__(self, clock: ManualClock, until: float) -> None:
        self._clock = clock
        self._until = until
        self.calls = 0
        self.pings = 0
        self.found_at = math.inf

    def _require(self) -> None:
        if self._clock.monotonic() < self._until:
            raise RedisConnectionError

    async def acquire(self, caller: str, limit: int) -> float:
        self.calls += 1
        self._require()
        return 0.0

    async def ping(self) -> None:
        self.pings += 1
        self._require()
        self.found_at = min(self.found_at, self._clock.monotonic())


@pytest.mark.parametrize("back_at", [0.1, 30.0, 3600.0])
async def test_redis_is_used_again_within_seconds_and_no_call_waits_to_find_out(back_at: float) -> None:
    clock = ManualClock()
    shared = Outage(clock, back_at)
    policy = BreakerPolicy(open_seconds=7200, open_max_seconds=7200)
    breaker = Breaker(policy, monotonic=clock.monotonic, random=lambda: 0.5)
    limiter = SharedRateLimiter(shared, MovingWindowLimiter(60, clock.monotonic), breaker, replicas=1)
    async with limiter.followed(clock):
        for _ in range(5):
            await limiter.acquire("acme/a", 100)
        async with asyncio.timeout(20):
            while breaker.snapshot().state is State.OPEN:
                await limiter.acquire("acme/a", 100)
                await asyncio.sleep(0)
        assert shared.found_at - back_at <= MOST_LOOK_SECONDS
        assert shared.calls == 5
        assert shared.pings <= 5 + back_at / MOST_LOOK_SECONDS, "less and less often"
        for _ in range(2):
            await limiter.acquire("acme/a", 100)
        assert (shared.calls, breaker.snapshot().state) == (7, State.CLOSED)
        pings = shared.pings
        for _ in range(100):
            await asyncio.sleep(0)
        assert shared.pings <= pings + 1, "one that is there is not looked for"
