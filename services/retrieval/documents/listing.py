"""Looking documents up: one, a page of them, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libs.clock import Clock
from services.retrieval.attempts.lease import as_of
from services.retrieval.documents.lifecycle import document_not_found
from services.retrieval.documents.page_tokens import PageTokens
from services.retrieval.filtering.conditions import Filter
from services.retrieval.model import DocumentRecord, DocumentType, Status
from services.retrieval.store.payloads import to_microseconds
from services.retrieval.store.protocol import Cursor, DocumentQuery, RecordStore, Totals

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of a listing; an empty `token` asks for the first."""

    size: int
    token: str
    statuses: frozenset[Status]
    types: frozenset[DocumentType]
    filter: Filter


@dataclass(frozen=True, slots=True)
class Page:
    """Documents, newest first, and the token of the next page (empty on the last)."""

    records: Sequence[DocumentRecord]
    next_token: str


class Listing:
    """Reads records as they stand now: an attempt whose lease has ended shows as failed."""

    def __init__(self, records: RecordStore, tokens: PageTokens, clock: Clock) -> None:
        self._records = records
        self._tokens = tokens
        self._clock = clock

    async def get(self, tenant: str, document_id: str) -> DocumentRecord:
        """The document. Raises DOCUMENT_NOT_FOUND."""
        record = await self._records.get(tenant, document_id)
        if record is None:
            raise document_not_found()
        return as_of(record, self._clock.now())

    async def page(self, tenant: str, request: PageRequest) -> Page:
        """One page. Documents created meanwhile neither shift nor repeat it. Raises INVALID_PAGE_TOKEN."""
        scope = repr((tenant, sorted(request.statuses), sorted(request.types), request.filter))
        after = self._tokens.read(request.token, scope) if request.token else None
        query = DocumentQuery(self._clock.now(), request.statuses, request.types, request.filter)
        found = await self._records.page(tenant, query, after, request.size + 1)
        records = found[: request.size]
        if len(found) <= request.size:
            return Page(records, "")
        last = records[-1]
        cursor = Cursor(to_microseconds(last.create_time), last.document_id)
        return Page(records, self._tokens.make(cursor, scope))

    async def totals(self, tenant: str) -> Totals:
        """Counts over the tenant's documents."""
        return await self._records.totals(tenant, self._clock.now())
