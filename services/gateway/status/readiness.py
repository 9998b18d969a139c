"""Whether calls should be sent to this gateway: whether what a question needs can be reached.

An open breaker of a provider does not count: its callers are answered by another one, or by the rung below.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from libs.background import beside
from libs.rpc.reachability import Reachability


@asynccontextmanager
async def readiness(
    tell: Callable[[bool], Awaitable[None]], needed: Sequence[Reachability]
) -> AsyncIterator[None]:
    """Inside the block, tells at once and at each change whether all of `needed` can be reached."""
    changed = asyncio.Event()
    for one in needed:
        one.on_change(lambda _there: changed.set())

    async def follow() -> None:
        while True:
            changed.clear()
            await tell(all(one.is_reachable for one in needed))
            await changed.wait()

    async with beside("readiness", follow):
        yield
