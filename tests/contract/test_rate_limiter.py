"""What holds for every rate limiter: in memory, in Redis, and Redis with a fallback."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.clock import ManualClock, SystemClock
from services.gateway.admission.layers import RateLimiter
from services.gateway.admission.rate_limit import MovingWindowLimiter
from services.gateway.admission.shared_rate_limit import Shared, SharedRateLimiter, open_redis_limiter
from services.gateway.breakers.breaker import Breaker
from services.gateway.breakers.model import BreakerPolicy, State
from tests.contract.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.externals

CALLERS = itertools.count()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def caller() -> str:
    return f"acme/{next(CALLERS)}"


PATIENT = 20.0
"""For one answer of Redis, where its slowness is not the subject: the machine may be busy."""


def fallback(
    shared: Shared, clock: ManualClock, replicas: int = 1, timeout_seconds: float = PATIENT
) -> tuple[SharedRateLimiter, Breaker]:
    breaker = Breaker(BreakerPolicy(), monotonic=clock.monotonic, random=lambda: 0.5)
    local = MovingWindowLimiter(1, clock.monotonic)
    limiter = SharedRateLimiter(shared, local, breaker, replicas=replicas, timeout_seconds=timeout_seconds)
    return limiter, breaker


@pytest.fixture(params=["memory", "redis", "redis with fallback"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[RateLimiter]:
    """Over a window of one second."""
    if request.param == "memory":
        yield MovingWindowLimiter(1, SystemClock().monotonic)
        return
    url = request.getfixturevalue("redis").url
    async with open_redis_limiter(url, 1, PATIENT) as shared:
        yield shared if request.param == "redis" else fallback(shared, ManualClock())[0]


async def test_so_many_pass_and_the_next_is_told_the_true_wait(limiter: RateLimiter, caller: str) -> None:
    assert [await limiter.acquire(caller, 3) for _ in range(3)] == [0, 0, 0]
    wait = await limiter.acquire(caller, 3)
    assert 0 < wait <= 1.01
    await asyncio.sleep(wait)
    assert await limiter.acquire(caller, 3) == 0


async def test_calls_at_the_same_moment_are_counted_each(limiter: RateLimiter, caller: str) -> None:
    waits = await asyncio.gather(*(limiter.acquire(caller, 5) for _ in range(12)))
    assert sum(wait == 0 for wait in waits) == 5


async def test_callers_do_not_share_a_limit(limiter: RateLimiter, caller: str) -> None:
    assert await limiter.acquire(caller, 1) == 0
    assert await limiter.acquire(caller + "'", 1) == 0
    assert await limiter.acquire(caller, 1) > 0


# --- what is shared, and what happens when it is not there ---


async def test_replicas_share_one_count(redis: RedisServer, caller: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(open_redis_limiter(redis.url, 10, PATIENT)) for _ in range(3)
        ]
        waits = [await replica.acquire(caller, 4) for replica in (*replicas, *replicas)]
        assert sum(wait == 0 for wait in waits) == 4


async def test_while_redis_is_away_each_replica_grants_its_share_and_says_so(
    tmp_path: Path, caller: str
) -> None:
    clock = ManualClock()
    with redis_server(tmp_path) as own, capture_logs() as logs:
        async with open_redis_limiter(own.url, 10, PATIENT) as shared:
            limiter, breaker = fallback(shared, clock, replicas=3)
            assert await limiter.acquire(caller, 10) == 0
            own.kill()
            waits = [await limiter.acquire(caller, 10) for _ in range(20)]
            assert sum(wait == 0 for wait in waits) == 4, "a third of ten, rounded up"
            assert breaker.snapshot().state is State.OPEN
            own.start()
            clock.advance(10)
            for _ in range(3):
                assert await limiter.acquire(caller, 10) == 0
            assert breaker.snapshot().state is State.CLOSED
    assert [line["event"] for line in logs] == ["rate_limits_local", "rate_limits_shared"]
    assert logs[0]["replicas"] == 3


async def test_a_redis_that_is_back_is_found_without_a_call(tmp_path: Path, caller: str) -> None:
    clock = ManualClock()
    with redis_server(tmp_path) as own:
        async with open_redis_limiter(own.url, 10, PATIENT) as shared:
            limiter, breaker = fallback(shared, clock)
            own.kill()
            for _ in range(5):
                assert await limiter.acquire(caller, 1000) == 0
            assert breaker.snapshot().state is State.OPEN
            own.start()
            async with limiter.followed(SystemClock()), asyncio.timeout(PATIENT):
                while breaker.snapshot().state is State.OPEN:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.05)
            assert clock.monotonic() == 0, "the breaker itself would have waited for seconds"


async def test_a_redis_that_says_nothing_holds_few_calls_up(tmp_path: Path, caller: str) -> None:
    with redis_server(tmp_path) as own:
        async with open_redis_limiter(own.url, 10) as shared:
            limiter, breaker = fallback(shared, ManualClock(), timeout_seconds=0.1)
            assert await shared.acquire(caller, 1000) == 0
            own.pause()
            began = asyncio.get_running_loop().time()
            for _ in range(100):
                assert await limiter.acquire(caller, 1000) == 0
            assert asyncio.get_running_loop().time() - began < 5, "five waits of 0.1 s, then none"
            assert breaker.snapshot().failures == 5
            own.resume()
