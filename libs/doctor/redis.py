"""Checks of the Redis that replicas share."""

from __future__ import annotations

from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.clock import Clock
from libs.doctor.finding import Finding, error, ok
from libs.doctor.network import skew

_SECONDS = 3.0


async def redis(url: str, clock: Clock) -> list[Finding]:
    """Whether it answers, and shares our clock. `url` may hold a password, which is never shown."""
    place = urlsplit(url).netloc.rpartition("@")[2] or "its socket"
    client = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        asked = clock.now().timestamp()
        seconds, microseconds = await client.time()
        answered = clock.now().timestamp()
    except (RedisError, OSError, TimeoutError) as failure:
        return [
            error(
                "reach",
                f"Redis does not answer at {place} ({type(failure).__name__})",
                "Start it, or correct STATE_URL. Meanwhile replicas count rate limits each for itself, and "
                "questions are answered without their conversation.",
            )
        ]
    finally:
        await client.aclose()
    return [
        ok("reach", f"Redis answers at {place}"),
        skew("Redis", seconds + microseconds / 1e6, asked, answered),
    ]
