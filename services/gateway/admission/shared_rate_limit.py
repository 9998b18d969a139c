"""Rate limits that replicas share: counted in Redis, or by each for itself while Redis is away."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Protocol

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.background import beside
from libs.clock import Clock
from services.gateway.admission.layers import RateLimiter
from services.gateway.breakers.breaker import Breaker
from services.gateway.breakers.model import SUCCESS, Outcome, OutcomeKind, Refused

log = structlog.get_logger()

TIMEOUT_SECONDS = 0.1
"""For one answer of Redis, which takes less than a millisecond: a call must not wait long for its limit."""

FIRST_LOOK_SECONDS, MOST_LOOK_SECONDS = 0.5, 4.0
"""How soon, and at last how often, a Redis that is away is looked for."""

_CONNECTIONS = 16
_KEY_PREFIX = "docuquery:rate"
# Redis still counts a call at the very moment it leaves the window.
_EDGE_SECONDS = 0.001

_AWAY = Outcome(OutcomeKind.FAILURE, reasons.ERROR_REASON_SERVICE_UNAVAILABLE)


class RedisRateLimiter:
    """A moving window in Redis, kept by the library `limits`. Raises RedisError, OSError or TimeoutError."""

    def __init__(self, redis: Redis, storage: RedisStorage, window_seconds: int) -> None:
        self._redis = redis
        self._windows = MovingWindowRateLimiter(storage)
        self._window_seconds = window_seconds

    async def ping(self) -> None:
        """Returns when Redis is there."""
        await self._redis.ping()

    async def acquire(self, caller: str, limit: int) -> float:
        """0 when the call may pass, and then it counts; else the seconds until one may."""
        item = RateLimitItemPerSecond(limit, self._window_seconds)
        if await self._windows.hit(item, caller):
            return 0.0
        stats = await self._windows.get_window_stats(item, caller)
        return max(0.0, stats.reset_time - time.time()) + _EDGE_SECONDS


@asynccontextmanager
async def open_redis_limiter(
    url: str, window_seconds: int, timeout_seconds: float = TIMEOUT_SECONDS
) -> AsyncIterator[RedisRateLimiter]:
    """A limiter on the Redis at `url`, which need not be there yet; its connections are closed on leaving."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),  # whether to try again is the breaker's decision
    )
    storage = RedisStorage(
        "async+redis://",
        implementation="redispy",
        key_prefix=_KEY_PREFIX,
        connection_pool=pool,  # type: ignore[arg-type]  # documented, but not in its annotation
    )
    try:
        yield RedisRateLimiter(Redis(connection_pool=pool), storage, window_seconds)
    finally:
        await pool.aclose()


class Shared(RateLimiter, Protocol):
    """A limiter that may be away."""

    async def ping(self) -> None:
        """Returns when it is there. Raises as `acquire` does."""
        ...


class SharedRateLimiter:
    """Asks `shared`; when that fails, limits here, to this replica's share of each limit.

    The breaker keeps calls from waiting for a dead Redis again and again; that it is back, `followed` finds
    out. What is counted here is not counted there: after a change callers may have up to two windows' worth
    of calls in one.
    """

    def __init__(
        self,
        shared: Shared,
        local: RateLimiter,
        breaker: Breaker,
        *,
        replicas: int,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._shared = shared
        self._local = local
        self._breaker = breaker
        self._replicas = replicas
        self._away = asyncio.Event()

    @asynccontextmanager
    async def followed(self, clock: Clock) -> AsyncIterator[None]:
        """Looks for a Redis that is away, inside the block, so that no call has to wait to find it there."""
        async with beside("redis", partial(self._follow, clock), clock):
            yield

    async def _follow(self, clock: Clock) -> None:
        while True:
            await self._away.wait()
            wait = FIRST_LOOK_SECONDS
            while self._away.is_set():
                await clock.sleep(wait)
                wait = min(2 * wait, MOST_LOOK_SECONDS)
                with suppress(RedisError, OSError, TimeoutError):
                    async with asyncio.timeout(self._timeout_seconds):
                        await self._shared.ping()
                    self._breaker.recover()

    async def acquire(self, caller: str, limit: int) -> float:
        """0 when the call may pass, and then it counts; else the seconds until one may."""
        wait = await self._ask(caller, limit)
        if wait is None:
            return await self._local.acquire(caller, math.ceil(limit / self._replicas))
        return wait

    async def _ask(self, caller: str, limit: int) -> float | None:
        try:
            permit = self._breaker.acquire(self._timeout_seconds)
        except Refused:
            return None
        with permit:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    wait = await self._shared.acquire(caller, limit)
            except (RedisError, OSError, TimeoutError) as error:
                permit.report(_AWAY)
                if not self._away.is_set():
                    self._away.set()
                    log.warning("rate_limits_local", error=type(error).__name__, replicas=self._replicas)
                return None
            permit.report(SUCCESS)
        if self._away.is_set():
            self._away.clear()
            log.info("rate_limits_shared")
        return wait
