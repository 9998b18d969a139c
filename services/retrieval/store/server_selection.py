"""Which live attempts belong to documents that pass a filter."""

from __future__ import annotations

from dataclasses import dataclass

from qdrant_client import grpc as q

from services.retrieval.filters import Filter, predicate
from services.retrieval.store.server_collections import Collection
from services.retrieval.store.server_facts import required_facts
from services.retrieval.store.server_points import KIND_RECORD, has_one_of, has_text, only
from services.retrieval.store.server_record_payloads import record_from_point


@dataclass(frozen=True, slots=True)
class Selection:
    """The live attempts whose documents pass a filter."""

    attempt_ids: frozenset[str]
    chunk_count: int


class Selector:
    """Reads the records anew for every filter: another process may have written a moment ago."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents

    async def select(self, tenant: str, wanted: Filter) -> Selection:
        """Never leaves out a document whose commit was acknowledged before."""
        passes = predicate(wanted)
        attempt_ids, chunk_count = set(), 0
        async for point in self._documents.scroll(records_that_may_pass(tenant, wanted), only("record")):
            record = record_from_point(point)
            if record.live is not None and passes(record):
                attempt_ids.add(record.live.attempt_id)
                chunk_count += record.live.chunk_count
        return Selection(frozenset(attempt_ids), chunk_count)


def records_that_may_pass(tenant: str, wanted: Filter) -> q.Filter:
    """The tenant's records, without those the index knows not to pass."""
    facts = [has_one_of("facts", group) for group in required_facts(wanted)]
    return q.Filter(must=[has_text("tenant", tenant), has_text("kind", KIND_RECORD), *facts])
