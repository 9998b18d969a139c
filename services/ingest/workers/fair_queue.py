"""Things that are handed out in turn: to one tenant after the other, however many of its documents wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Hands out items round-robin over the tenants that wait, first come first served inside a tenant.

    A tenant that starts to wait stands behind those that wait already, and goes to the end after each turn.
    So it gets its first item after at most as many turns as tenants were waiting, whether they wait for one
    item or for thousands. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._free: list[Item] = []
        self._waiting: OrderedDict[str, deque[asyncio.Future[Item]]] = OrderedDict()

    @property
    def free(self) -> int:
        """Items nobody has."""
        return len(self._free)

    @property
    def waiting(self) -> int:
        """Those who wait for one."""
        return sum(map(len, self._waiting.values()))

    def put(self, item: Item) -> None:
        """Gives `item` to whoever's turn it is; keeps it when nobody waits."""
        while self._waiting:
            tenant, futures = next(iter(self._waiting.items()))
            future = futures.popleft()
            if not futures:
                del self._waiting[tenant]
            if not future.done():  # one that was cancelled a moment ago takes no turn
                if futures:
                    self._waiting.move_to_end(tenant)
                future.set_result(item)
                return
        self._free.append(item)

    async def get(self, tenant: str) -> Item:
        """An item, the one put back last if several are free. Waits for the tenant's turn without a limit.

        Being cancelled costs the others nothing: an item that was handed out at that moment goes on.
        """
        if self._free:
            return self._free.pop()  # then nobody waits
        future: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._forget(tenant, future)
            else:
                self.put(future.result())
            raise

    def _forget(self, tenant: str, future: asyncio.Future[Item]) -> None:
        futures = self._waiting.get(tenant)
        if futures is not None and future in futures:
            futures.remove(future)
            if not futures:
                del self._waiting[tenant]
