"""Conversations in Redis, shared by every replica of the service.

A conversation is a list of turns under one key, `docuquery:conversation:<tenant>:<id>`, that Redis itself
lets expire. Neither part can hold what the other ends with: a tenant has no colon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.clock import Clock
from libs.errors import DocuQueryError
from services.answer.conversations.codec import decode, encode, fit
from services.answer.conversations.protocol import (
    Conversation,
    ConversationLimits,
    not_found,
    unavailable,
)
from services.answer.model import Turn

T = TypeVar("T")

PAUSE_SECONDS = 1.0
"""How long a store that failed is left alone, so that no question waits for it more than once."""

log = structlog.get_logger()

# KEYS: the list. ARGV: the turn, its query id, most turns, most bytes, milliseconds to live.
# A script is one step for everybody else: turns of two questions at once are both kept.
_APPEND = """
local kept = {}
for _, turn in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local known, read = pcall(cjson.decode, turn)
  if known and read.query_id == ARGV[2] then
    redis.call('LREM', KEYS[1], 0, turn)
  else
    kept[#kept + 1] = turn
  end
end
redis.call('RPUSH', KEYS[1], ARGV[1])
local count, size = 1, #ARGV[1]
for index = #kept, 1, -1 do
  size = size + #kept[index]
  if count >= tonumber(ARGV[3]) or size > tonumber(ARGV[4]) then break end
  count = count + 1
end
redis.call('LTRIM', KEYS[1], -count, -1)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
"""


class RedisConversations:
    """Every call ends within `timeout_seconds`, connecting and one repetition included."""

    def __init__(self, url: str, clock: Clock, limits: ConversationLimits, *, timeout_seconds: float) -> None:
        """`url` as in `redis://[[user]:password@]host:port/database`; `rediss://` for TLS."""
        self._clock = clock
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._paused_until = 0.0
        self._redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # Once: a connection that lay idle while the server was restarted shows it at its next use.
            retry=Retry(NoBackoff(), 1),
        )
        self._append = self._redis.register_script(_APPEND)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def append(self, tenant: str, conversation_id: str, turn: Turn) -> None:
        """See Conversations.append."""
        limits = self._limits
        turn = fit(turn, limits.max_bytes)
        arguments: list[bytes | str | int] = [
            encode(turn),
            turn.query_id,
            limits.max_turns,
            limits.max_bytes,
            int(limits.ttl_seconds * 1000),
        ]
        await self._ask(lambda: self._append(keys=[_key(tenant, conversation_id)], args=arguments))

    async def get(self, tenant: str, conversation_id: str) -> Conversation:
        """See Conversations.get."""
        key = _key(tenant, conversation_id)
        turns, milliseconds = await self._together(lambda pipe: pipe.lrange(key, 0, -1).pttl(key))
        if not turns:
            raise not_found()
        left = timedelta(milliseconds=max(0, milliseconds))
        return Conversation(tuple(_readable(turns)), self._clock.now() + left)

    async def delete(self, tenant: str, conversation_id: str) -> int:
        """See Conversations.delete."""
        key = _key(tenant, conversation_id)
        count, _ = await self._together(lambda pipe: pipe.llen(key).delete(key))
        if not count:
            raise not_found()
        return int(count)

    async def _together(self, queue: Callable[[Any], object]) -> list[Any]:
        """The results of the commands that `queue` puts into a pipeline, with nothing in between."""

        async def run() -> list[Any]:
            async with self._redis.pipeline(transaction=True) as pipe:
                queue(pipe)
                return await pipe.execute()

        return await self._ask(run)

    async def _ask(self, command: Callable[[], Awaitable[T]]) -> T:
        if self._clock.monotonic() < self._paused_until:
            raise unavailable()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await command()
        except (RedisError, OSError, TimeoutError) as error:
            raise self._failed(error) from None  # the original may quote the URL and its password

    def _failed(self, error: Exception) -> DocuQueryError:
        self._paused_until = self._clock.monotonic() + PAUSE_SECONDS
        log.warning("conversations_unavailable", exception=type(error).__name__)
        return unavailable()


def _key(tenant: str, conversation_id: str) -> str:
    return f"docuquery:conversation:{tenant}:{conversation_id}"


def _readable(turns: list[bytes]) -> list[Turn]:
    """The turns this program can read: a newer one may have written others."""
    found = []
    for data in turns:
        try:
            found.append(decode(data))
        except ValueError as error:
            log.warning("turn_not_readable", fault=str(error))
    return found
