"""Which processes are at work on a server store: each writes a point of its own again and again.

Their clocks need not agree: whoever looks, looks twice, and those whose point has changed are alive.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    ALL,
    every,
    has_id,
    has_text,
    selected,
    to_values,
)
from services.retrieval.store.server.documents.payloads import integer_of, text_of

BEAT_SECONDS = 2.0
"""How often a process writes, at least."""
WATCH_SECONDS = 8.0
"""How long to look before a process counts as gone: some beats may fail while a node dies."""

_KIND = "beat"
_NO_VECTORS = q.Vectors(vectors=q.NamedVectors())


@dataclass(frozen=True, slots=True)
class Seen:
    """A process's point, as read."""

    id: str
    count: int
    text: str


class Beats:
    """The points of processes of one role, and one's own among them."""

    def __init__(self, documents: Collection, role: str, clock: Clock) -> None:
        """`role`: what they do, `reindex` or `search` and a space."""
        self._documents = documents
        self._role = role
        self._clock = clock
        self._point = q.PointId(uuid=str(uuid.uuid4()))
        self._count = 0
        self._last: float | None = None

    async def beat(self, text: str = "") -> None:
        """Shows that this process is alive, unless that was done a moment ago; `text` is for readers."""
        now = self._clock.monotonic()
        if self._last is not None and now < self._last + BEAT_SECONDS:
            return
        self._last = now
        self._count += 1
        payload = {"kind": _KIND, "role": self._role, "count": self._count, "text": text}
        await self._documents.upsert(
            [q.PointStruct(id=self._point, vectors=_NO_VECTORS, payload=to_values(payload))]
        )

    async def stop(self) -> None:
        """Shows that this process is no longer at it."""
        if self._count:
            self._last = None
            await self._documents.delete(selected(has_id([self._point.uuid])))

    async def others(self) -> Sequence[Seen]:
        """The points of all others, of dead ones too."""
        wanted = every(has_text("kind", _KIND), has_text("role", self._role))
        return [
            Seen(point.id.uuid, integer_of(point.payload, "count"), text_of(point.payload, "text"))
            async for point in self._documents.scroll(wanted, ALL)
            if point.id.uuid != self._point.uuid
        ]

    async def find_alive(self, *, also_new: bool) -> Sequence[Seen]:
        """Those who beat while we look, which takes some seconds.

        Without `also_new`, who has no point yet is not waited for: it will see ours.
        """
        before = {seen.id: seen.count for seen in await self.others()}
        if not before and not also_new:
            return ()
        await self._clock.sleep(WATCH_SECONDS)
        return [seen for seen in await self.others() if seen.count != before.get(seen.id)]

    async def forget_dead(self) -> None:
        """Deletes the points of all others; call it when none is alive."""
        ids = [seen.id for seen in await self.others()]
        if ids:
            await self._documents.delete(selected(has_id(ids)))


class Silence:
    """Tells from repeated readings who has stopped beating."""

    def __init__(self) -> None:
        self._changed: dict[str, tuple[int, float]] = {}

    def alive(self, seen: Sequence[Seen], now: float) -> Sequence[Seen]:
        """Those who beat in the last seconds before `now` (monotonic), or were not seen before."""
        changed = {}
        for process in seen:
            count, since = self._changed.get(process.id, (-1, now))
            changed[process.id] = (process.count, since if count == process.count else now)
        self._changed = changed
        return [process for process in seen if now - changed[process.id][1] < WATCH_SECONDS]
