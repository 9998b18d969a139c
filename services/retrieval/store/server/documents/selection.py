"""Which live attempts belong to documents that pass a filter."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from qdrant_client import grpc as q

from libs.clock import Clock
from services.retrieval.filtering.conditions import Filter, predicate
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import KIND_RECORD, every, has_one_of, has_text, only
from services.retrieval.store.server.documents.index import RecordIndex
from services.retrieval.store.server.documents.payloads import integer_of, record_from_point, text_of

# Beyond this many attempts named in a filter it is cheaper to ask for more hits and drop what does not pass.
MAX_NAMED_ATTEMPTS = 1000
# While programs of an older version, or with other FILTER_FIELDS, write to the store as well, a filter may
# miss their documents for so long.
_KEEP_SECONDS = 10.0
_MAX_REMEMBERED_TENANTS = 10_000
_LIVE = only("live_attempt", "chunks")


@dataclass(frozen=True, slots=True)
class Selection:
    """The live attempts whose documents pass a filter."""

    attempt_ids: frozenset[str] | None
    """None: they are many, and the engine is to be asked about those that matter (`Selector.passing`)."""
    chunks: int = 0
    """Of those attempts; not known where they are many."""
    share: float = 1.0
    """About how many of the tenant's documents pass; more than 0."""


class _OutOfDate(NamedTuple):
    """Whether a tenant has records whose fields are not those of this program, and until when that holds."""

    any: bool
    expires: float


class Selector:
    """Asks anew for every filter: another process may have written a moment ago."""

    def __init__(self, documents: Collection, index: RecordIndex, clock: Clock) -> None:
        self._documents = documents
        self._index = index
        self._clock = clock
        self._out_of_date: dict[str, _OutOfDate] = {}

    async def select(self, tenant: str, wanted: Filter) -> Selection:
        """Never leaves out a document whose commit was acknowledged before, but see `_KEEP_SECONDS`."""
        translation = self._index.translated(tenant, wanted)
        out_of_date = await self._has_out_of_date(tenant)
        if out_of_date or not translation.is_exact:
            others = [self._index.out_of_date(has_text("tenant", tenant))] if out_of_date else []
            return await self._judged(tenant, wanted, [translation.may_pass, *others])
        some = await self._documents.first(translation.may_pass, MAX_NAMED_ATTEMPTS + 1, _LIVE)
        if len(some) <= MAX_NAMED_ATTEMPTS:
            return Selection(_live_attempts(some), sum(integer_of(point.payload, "chunks") for point in some))
        passing = await self._documents.count(translation.may_pass, exact=False)
        return Selection(None, share=max(1, passing) / max(1, passing, await self._size(tenant)))

    async def passing(self, tenant: str, wanted: Filter, attempt_ids: Group[str]) -> frozenset[str]:
        """Those of `attempt_ids` that are live and whose documents pass `wanted`.

        For a filter of which `select` said that many pass.
        """
        passing = self._index.translated(tenant, wanted).may_pass
        passing.must.append(has_one_of("live_attempt", attempt_ids))
        return _live_attempts([p async for p in self._documents.scroll(passing, only("live_attempt"))])

    async def one_filter(self, tenant: str, wanted: Filter) -> q.Filter:
        """The tenant's records, as far as the engine can tell without those that do not pass."""
        if wanted and not await self._has_out_of_date(tenant):
            return self._index.translated(tenant, wanted).may_pass
        return every(has_text("tenant", tenant), has_text("kind", KIND_RECORD))

    async def _judged(self, tenant: str, wanted: Filter, may_pass: Iterable[q.Filter]) -> Selection:
        """By reading each record that may pass."""
        passes = predicate(wanted)
        chunk_counts: dict[str, int] = {}
        for some in may_pass:
            async for point in self._documents.scroll(some, only("record")):
                record = record_from_point(point)
                if record.live is not None and passes(record):
                    chunk_counts[record.live.attempt_id] = record.live.chunk_count
        number = len(chunk_counts)
        share = 1.0 if number <= MAX_NAMED_ATTEMPTS else number / max(number, await self._size(tenant))
        return Selection(frozenset(chunk_counts), sum(chunk_counts.values()), share)

    async def _size(self, tenant: str) -> int:
        records = every(has_text("tenant", tenant), has_text("kind", KIND_RECORD))
        return await self._documents.count(records, exact=False)

    async def _has_out_of_date(self, tenant: str) -> bool:
        now = self._clock.monotonic()
        known = self._out_of_date.get(tenant)
        if known is None or known.expires <= now:
            found = await self._documents.count(self._index.out_of_date(has_text("tenant", tenant)))
            if len(self._out_of_date) >= _MAX_REMEMBERED_TENANTS:
                self._out_of_date.clear()
            known = self._out_of_date[tenant] = _OutOfDate(found > 0, now + _KEEP_SECONDS)
        return known.any


def _live_attempts(points: Group[q.RetrievedPoint]) -> frozenset[str]:
    return frozenset(filter(None, (text_of(point.payload, "live_attempt") for point in points)))
