"""What the indexes found, and which of it is live, in one consistent answer."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from services.retrieval.filtering.conditions import predicate
from services.retrieval.model import ChunkKey, DocumentRecord
from services.retrieval.store.protocol import ChunkStore, RecordStore
from services.retrieval.store.questions import ChunkKeys, ChunkQuery, Legs
from services.retrieval.store.remembered import Remembered
from services.retrieval.store.together import both

# Each further asking needs a replacement committed during the one before: that is rare, unless a document is
# replaced without end and the machine is slow.
_MAX_ASKINGS = 20
_MAX_REMEMBERED_ENDS = 100_000


@dataclass(frozen=True, slots=True)
class LiveHits:
    """Hits of both indexes, dead and unfinished versions among them, and the records of the live ones."""

    legs: Legs
    live: Mapping[str, DocumentRecord]
    """Attempt → record. One reading judged all hits: never two versions of a document."""
    others: Legs | None
    """What each index gives the hits only the other one found; None when that was not asked."""


def found_by_one(dense: AbstractSet[ChunkKey], sparse: AbstractSet[ChunkKey]) -> ChunkKeys:
    """The hits each index has to score because only the other one found them."""
    return ChunkKeys(dense=frozenset(sparse - dense), sparse=frozenset(dense - sparse))


class LiveFinder:
    """Asks the indexes, then the records.

    In a shared store a document may be replaced between the two, by a version the indexes did not know yet:
    its old hits are dead, its new ones were not found, and it would be missing. So when hits are dead, the
    indexes are asked again, until all dead ones were dead before the asking. Two kinds need no second asking:
    hits of an attempt whose end was seen before the first one (it was never live since), and hits of an
    attempt that is still open, on a document without another live version (nothing was committed on it since
    the attempt began, or it would have ended).

    With a filter the records were read once before, too. What was relied on then is judged with the hits, and
    a hit passed over then, that passes now, is reason to ask again.
    """

    def __init__(self, chunks: ChunkStore, records: RecordStore, *, is_shared: bool) -> None:
        """`is_shared`: whether other processes write to the store as well."""
        self._chunks = chunks
        self._records = records
        self._is_shared = is_shared
        self._askings = 0
        # Attempt → the last asking that had begun when its end was seen.
        self._ended: Remembered[str, int] = Remembered(_MAX_REMEMBERED_ENDS)

    async def find(self, tenant: str, query: ChunkQuery, *, with_others: bool) -> LiveHits:
        """The hits and the records of those that are live; `with_others` as well if it costs no time."""
        dead: set[str] = set()
        passes = predicate(query.filter)
        for _ in range(_MAX_ASKINGS):
            self._askings = asking = self._askings + 1
            legs = await self._chunks.search(tenant, query)
            attempts = {hit.key.attempt_id for leg in (legs.dense, legs.sparse) if leg for hit in leg.hits}
            attempts |= legs.relied_on | legs.passed_over
            if not self._is_shared:
                return LiveHits(legs, await self._records.live(tenant, attempts), None)
            # Two round trips at once: nearly always all hits are live, and their scores are wanted.
            live, others = await both(
                self._records.live(tenant, attempts),
                self._others(tenant, query, legs if with_others else Legs(None, None)),
            )
            new = {
                attempt_id
                for attempt_id in attempts - live.keys() - dead
                if self._ended.get(attempt_id, asking) >= asking
            }
            is_new = any(map(passes, (live[name] for name in legs.passed_over & live.keys())))
            ended, may_miss = await self._judge(tenant, new, live) if new else (frozenset(), False)
            if not (is_new or may_miss):
                break
            dead |= ended
        return LiveHits(legs, live, others)

    async def _others(self, tenant: str, query: ChunkQuery, legs: Legs) -> Legs | None:
        if legs.dense is None or legs.sparse is None:
            return None
        dense, sparse = ({hit.key for hit in leg.hits} for leg in (legs.dense, legs.sparse))
        return await self._chunks.score(tenant, query, found_by_one(dense, sparse))

    async def _judge(
        self, tenant: str, dead: AbstractSet[str], live: Mapping[str, DocumentRecord]
    ) -> tuple[AbstractSet[str], bool]:
        """Those of the `dead` that have ended, which are remembered; whether a document may be missing."""
        unfinished = await self._records.still_open(tenant, dead)
        closed = dead - unfinished.keys()
        # One that is not open may have become live since: what has ended is not live after that either.
        ended = closed - (await self._records.live(tenant, closed)).keys() if closed else closed
        self._ended.put(dict.fromkeys(ended, self._askings))
        return ended, bool(closed) or any(
            record.live is not None and record.live.attempt_id not in live for record in unfinished.values()
        )
