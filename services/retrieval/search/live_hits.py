"""What the indexes found, and which of it is live, in one consistent answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.retrieval.filtering.conditions import predicate
from services.retrieval.model import DocumentRecord
from services.retrieval.store.protocol import ChunkStore, RecordStore
from services.retrieval.store.questions import ChunkQuery, Completion, Legs, Missing
from services.retrieval.store.remembered import Remembered
from services.retrieval.store.together import both

# Each further asking needs a replacement committed during the one before: that is rare, unless a document is
# replaced without end and the machine is slow.
_MAX_ASKINGS = 20
_MAX_REMEMBERED = 100_000
# Longer ago than a question takes, and than the clocks of two machines differ.
_LATELY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LiveHits:
    """Hits of both indexes, dead and unfinished versions among them, and the records of the live ones."""

    legs: Legs
    live: Mapping[str, DocumentRecord]
    """Attempt → record. One reading judged all hits: never two versions of a document. One that decides
    nothing may have died since it was last read."""
    asked: Missing | None
    """What was missing and has been asked meanwhile; None: nothing has."""
    completion: Completion
    """The answer to that."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an answer needs besides the hits."""

    missing: Missing
    deciding: frozenset[str]
    """Attempts it depends on: whether the others are live changes nothing."""


class LiveFinder:
    """Asks the indexes, then the records.

    In a shared store a document may be replaced between the two, by a version the indexes did not know yet:
    its old hits are dead, its new ones were not found, and it would be missing. So when hits are dead, the
    indexes are asked again, until all dead ones were dead before the asking. Two kinds need no second asking:
    hits of an attempt whose end was seen before the first one (it was never live since), and hits of an
    attempt that is still open, on a document without another live version (nothing was committed on it since
    the attempt began, or it would have ended).

    And an attempt may be committed between the two, after a part of its chunks was found: what the answer
    shows of it must not depend on which part. So what was committed lately, and was not live yet when this
    process last looked, is reason to ask again, once for each.

    With a filter the records were read once before, too. What was relied on then is judged with the hits, and
    a hit passed over then, that passes now, is reason to ask again.
    """

    def __init__(self, chunks: ChunkStore, records: RecordStore, *, is_shared: bool) -> None:
        """`is_shared`: whether other processes write to the store as well."""
        self._chunks = chunks
        self._records = records
        self._is_shared = is_shared
        self._askings = 0
        # Attempt → the last asking that had begun when its end, or that it is live, was seen.
        self._ended: Remembered[str, int] = Remembered(_MAX_REMEMBERED)
        self._met: Remembered[str, int] = Remembered(_MAX_REMEMBERED)

    async def find(
        self,
        tenant: str,
        query: ChunkQuery,
        need_of: Callable[[Legs, AbstractSet[str] | None], Need],
        began: datetime,
    ) -> LiveHits:
        """The hits, and the records of those that are live: surely so of the deciding ones.

        `need_of` tells what is needed when the attempts given (None: all) are live; what is missing then is
        asked where it costs no time. `began`: when the question came.
        """
        dead: set[str] = set()
        passes = predicate(query.filter)
        for _ in range(_MAX_ASKINGS):
            self._askings = asking = self._askings + 1
            legs = await self._chunks.search(tenant, query)
            attempts = {key.attempt_id for leg in (legs.dense, legs.sparse) if leg for key in leg.hits}
            attempts |= legs.relied_on | legs.passed_over
            if not self._is_shared:
                return LiveHits(legs, await self._records.live(tenant, attempts), None, Completion())
            need = need_of(legs, None)
            sure = attempts if query.filter else need.deciding
            # Two round trips at once: nearly always all hits are live.
            live, completion = await both(
                self._records.live(tenant, attempts, sure), self._completed(tenant, query, need.missing)
            )
            alive = frozenset(live)
            if not attempts <= alive and not need_of(legs, alive).deciding <= sure:
                live = await self._records.live(tenant, attempts)
                alive = frozenset(live)
            new = {
                attempt_id
                for attempt_id in attempts - alive - dead
                if self._ended.get(attempt_id, asking) >= asking
            }
            is_new = any(map(passes, (live[name] for name in legs.passed_over & alive)))
            ended, may_miss = await self._judge(tenant, new, live) if new else (frozenset(), False)
            is_half = self._is_half(need.deciding & alive, live, asking, began)
            if not (is_new or may_miss or is_half):
                break
            dead |= ended
        return LiveHits(legs, live, need.missing, completion)

    def _is_half(
        self,
        attempts: AbstractSet[str],
        live: Mapping[str, DocumentRecord],
        asking: int,
        began: datetime,
    ) -> bool:
        """Whether any of the live `attempts` may have had but a part of its chunks when this asking began."""
        new = [attempt_id for attempt_id in attempts if self._met.get(attempt_id, asking) >= asking]
        self._met.put(dict.fromkeys(new, asking))
        return any(live[attempt_id].update_time > began - _LATELY for attempt_id in new)

    async def _completed(self, tenant: str, query: ChunkQuery, missing: Missing) -> Completion:
        return await self._chunks.complete(tenant, query, missing) if missing else Completion()

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
