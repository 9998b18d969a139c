"""What the indexes found, and which of it is live, in one consistent answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.retrieval.model import DocumentRecord
from services.retrieval.store.protocol import ChunkQuery, Legs, Stores

# Each further asking needs a replacement committed during the one before.
_MAX_ASKINGS = 4


@dataclass(frozen=True, slots=True)
class LiveHits:
    """Hits of both indexes, dead and unfinished versions among them, and the records of the live ones."""

    legs: Legs
    live: Mapping[str, DocumentRecord]
    """Attempt → record. One reading judged all hits: never two versions of a document."""


async def find_live(stores: Stores, tenant: str, query: ChunkQuery) -> LiveHits:
    """Asks the indexes, then the records.

    In a shared store a document may be replaced between the two, by a version the indexes did not know yet:
    its old hits are dead, its new ones were not found, and it would be missing. So when hits are dead, the
    indexes are asked again, until all dead ones were dead before the asking.
    """
    dead: frozenset[str] = frozenset()
    for _ in range(_MAX_ASKINGS):
        legs = await stores.chunks.search(tenant, query)
        attempts = {hit.key.attempt_id for leg in (legs.dense, legs.sparse) if leg for hit in leg.hits}
        live = await stores.records.live(tenant, attempts)
        if not stores.is_shared or attempts - live.keys() <= dead:
            break
        dead = frozenset(attempts - live.keys())
    return LiveHits(legs, live)
