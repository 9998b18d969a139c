"""Going through everything a store holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import to_microseconds
from services.retrieval.store.protocol import Cursor, DocumentQuery, Totals
from services.retrieval.store.stores import Stores

_PAGE_RECORDS = 500

# No lease has ended by then: records come as they are stored.
NO_LEASE_ENDED = datetime(1970, 1, 1, tzinfo=UTC)


async def records_of(stores: Stores, tenant: str) -> AsyncIterator[DocumentRecord]:
    """Every record of a tenant as it is stored, newest first."""
    query = DocumentQuery(NO_LEASE_ENDED)
    after: Cursor | None = None
    while True:
        page = await stores.records.page(tenant, query, after, _PAGE_RECORDS)
        for record in page:
            yield record
        if len(page) < _PAGE_RECORDS:
            return
        after = Cursor(to_microseconds(page[-1].create_time), page[-1].document_id)


async def live_chunks(stores: Stores, tenants: Sequence[str]) -> int:
    """Chunks of all live versions."""
    return sum([(await _totals(stores, tenant)).chunks for tenant in tenants])


async def live_documents(stores: Stores, tenants: Sequence[str]) -> int:
    """Documents with a live version."""
    return sum([(await _totals(stores, tenant)).indexed_documents for tenant in tenants])


async def _totals(stores: Stores, tenant: str) -> Totals:
    return await stores.records.totals(tenant, NO_LEASE_ENDED)
