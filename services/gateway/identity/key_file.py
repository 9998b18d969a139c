"""Follows the file of API keys, so that keys come and go without a restart.

The file is read again and again instead of watched: a Kubernetes secret is replaced by moving a link, which
watching a file does not see everywhere, and the file is small.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from libs.background import beside
from libs.clock import Clock
from services.gateway.identity.api_keys import ApiKey

log = structlog.get_logger()

EVERY_SECONDS = 2.0
"""How long a key that was taken away may still be good for."""


@asynccontextmanager
async def followed_keys(
    known: Sequence[ApiKey],
    load: Callable[[], Sequence[ApiKey]],
    apply: Callable[[Sequence[ApiKey]], None],
    clock: Clock,
) -> AsyncIterator[None]:
    """Inside the block, calls `apply` with what `load` gives whenever that is not what is known.

    While the file cannot be read, or is faulty (`load` raises ValueError), the keys stay as they were: half a
    file must lock nobody out, and let nobody in.
    """

    async def follow() -> None:
        current, fault = tuple(known), ""
        while True:
            await clock.sleep(EVERY_SECONDS)
            keys, now_fault = await asyncio.to_thread(_loaded, load)
            if now_fault != fault:
                fault = now_fault
                if fault:
                    log.error("api_keys_not_reloaded", fault=fault)
            if keys is not None and keys != current:
                current = keys
                apply(keys)
                log.info("api_keys_reloaded", keys=len(keys))

    async with beside("key_file", follow, clock):
        yield


def _loaded(load: Callable[[], Sequence[ApiKey]]) -> tuple[tuple[ApiKey, ...] | None, str]:
    """The keys, or the fault."""
    try:
        return tuple(load()), ""
    except ValueError as error:
        return None, str(error)
