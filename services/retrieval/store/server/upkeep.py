"""Cleaning up on a Qdrant server, which other processes may be using as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qdrant_client import grpc as q

from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    KIND_RECORD,
    NONE,
    every,
    has_integer,
    has_one_of,
    has_text,
    only,
)
from services.retrieval.store.server.documents.payloads import text_of
from services.retrieval.store.server.idf import IdfCache

_NAMED_AT_ONCE = 1000


class ServerUpkeep:
    """Implements `Upkeep`."""

    def __init__(
        self, chunks: Callable[[], Sequence[Collection]], documents: Collection, idf: IdfCache
    ) -> None:
        """`chunks`: the collections of chunks, one a vector space, as they are at the moment."""
        self._chunks = chunks
        self._documents = documents
        self._idf = idf

    async def tenants(self) -> Sequence[str]:
        return sorted({name for collection in self._all for name in await collection.facet("tenant")})

    async def tenants_to_check(self) -> Sequence[str]:
        """Reads the names of all attempts: about a second for 50,000 documents."""
        tenants = set(await self.active_tenants())
        strays = await self._unreferenced(None)
        for some in _batches(strays):
            for collection in self._all:
                tenants.update(await collection.facet("tenant", every(has_one_of("attempt_id", some))))
        return sorted(tenants)

    async def active_tenants(self) -> Sequence[str]:
        return sorted(await self._documents.facet("tenant", every(has_integer("is_open", 1))))

    async def unreferenced(self, tenant: str) -> Sequence[str]:
        return await self._unreferenced(tenant)

    async def erase(self, tenant: str, attempt_id: str, limit: int) -> int:
        wanted = every(has_text("attempt_id", attempt_id), has_text("tenant", tenant))
        for collection in self._all:
            request = q.ScrollPoints(
                collection_name=collection.name, filter=wanted, limit=limit, with_payload=NONE
            )
            found = (await collection.nodes.points("Scroll", request)).result
            if found:
                ids = q.PointsIdsList(ids=[point.id for point in found])
                await collection.delete(q.PointsSelector(points=ids))
                if collection is self._idf.collection:
                    self._idf.note(-len(found))
                return len(found)
        return 0

    @property
    def _all(self) -> Sequence[Collection]:
        return (*self._chunks(), self._documents)

    async def flush(self) -> None:
        """The server puts things on its disk by itself."""

    async def _unreferenced(self, tenant: str | None) -> list[str]:
        of_tenant = [] if tenant is None else [has_text("tenant", tenant)]
        # What is stored is read first: an attempt is recorded before anything is stored for it, so one that
        # begins meanwhile is not taken for a stray.
        stored = {
            attempt_id
            for collection in self._all
            for attempt_id in await collection.facet("attempt_id", every(*of_tenant))
        }
        records = every(*of_tenant, has_text("kind", KIND_RECORD))
        names = only("live_attempt", "open_attempt")
        async for point in self._documents.scroll(records, names):
            stored.discard(text_of(point.payload, "live_attempt"))
            stored.discard(text_of(point.payload, "open_attempt"))
        return sorted(await self._confirmed(stored))

    async def _confirmed(self, strays: set[str]) -> set[str]:
        """Those that no record needs, as most copies of the records have it."""
        needed = set()
        for some in _batches(sorted(strays)):
            for key in ("live_attempt", "open_attempt"):
                for point in await self._documents.scroll_agreed(every(has_one_of(key, some))):
                    needed.add(text_of(point.payload, key))
        return strays - needed


def _batches(attempt_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(attempt_ids), _NAMED_AT_ONCE):
        yield attempt_ids[start : start + _NAMED_AT_ONCE]
