"""The records of one tenant in memory: which attempts are live, the order of documents, the counts.

For a store that one process owns. It is built from the stored records when the tenant is opened, and
changed in the same breath as they are, so that a reader sees a commit or a delete at once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.retrieval.attempts.lease import is_abandoned
from services.retrieval.filtering.conditions import Filter, Predicate, named_values, predicate
from services.retrieval.model import DocumentRecord, Status
from services.retrieval.store.payloads import to_microseconds
from services.retrieval.store.protocol import Cursor, Totals

_MAX_REMEMBERED_FILTERS = 64


@dataclass(slots=True)
class Selection:
    """The live attempts whose documents pass a filter, as they are now: it changes with the records."""

    passes: Predicate
    attempt_ids: set[str] = field(default_factory=set)
    chunk_count: int = 0

    def put(self, before: DocumentRecord | None, record: DocumentRecord | None) -> None:
        """A record has taken the place of another, or of none; or has gone."""
        if before and before.live and before.live.attempt_id in self.attempt_ids:
            self.attempt_ids.discard(before.live.attempt_id)
            self.chunk_count -= before.live.chunk_count
        if record and record.live and self.passes(record):
            self.attempt_ids.add(record.live.attempt_id)
            self.chunk_count += record.live.chunk_count


class Catalogue:
    """Not thread-safe; every method returns without waiting."""

    def __init__(self, records: Iterable[DocumentRecord] = ()) -> None:
        self._records: dict[str, DocumentRecord] = {}
        self._document_of_live: dict[str, str] = {}
        self._order: list[tuple[int, str]] = []
        self._open: set[str] = set()
        self._failed: set[str] = set()
        self._chunks = self._characters = self._size_bytes = self._text_blocks = 0
        self._languages: Counter[str] = Counter()
        self._selections: dict[Filter, Selection] = {}
        for record in records:
            self.put(record)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def chunk_count(self) -> int:
        """Chunks of all live versions."""
        return self._chunks

    @property
    def text_block_count(self) -> int:
        """Text blocks of all live versions."""
        return self._text_blocks

    @property
    def languages(self) -> Mapping[str, int]:
        """How many chunks of live versions are in each language."""
        return +self._languages

    def get(self, document_id: str) -> DocumentRecord | None:
        """The record, or None."""
        return self._records.get(document_id)

    def put(self, record: DocumentRecord) -> None:
        """Adds the record, or puts it in the place of the one with its id."""
        before = self._records.get(record.document_id)
        self._records[record.document_id] = record
        if before is None:
            insort(self._order, _order_key(record))
        elif before.create_time != record.create_time:
            self._drop_from_order(before)
            insort(self._order, _order_key(record))
        self._mark(self._open, record, record.attempt.is_open)
        self._mark(self._failed, record, record.live is None and record.attempt.status is Status.FAILED)
        if before is None or before.live != record.live:
            self._count(before, -1)
            self._count(record, +1)
        for selection in self._selections.values():
            selection.put(before, record)

    def remove(self, document_id: str) -> None:
        """Forgets a record; one that is not there is no fault."""
        record = self._records.pop(document_id, None)
        if record is not None:
            self._drop_from_order(record)
            self._open.discard(document_id)
            self._failed.discard(document_id)
            self._count(record, -1)
            for selection in self._selections.values():
                selection.put(record, None)

    def live(self, attempt_ids: Iterable[str]) -> Mapping[str, DocumentRecord]:
        """Those attempts that are live, each with its record."""
        return {
            attempt_id: self._records[self._document_of_live[attempt_id]]
            for attempt_id in attempt_ids
            if attempt_id in self._document_of_live
        }

    def live_chunk_counts(self) -> Mapping[str, int]:
        """Every live attempt, with the number of its chunks."""
        live = (self._records[document_id].live for document_id in self._document_of_live.values())
        return {version.attempt_id: version.chunk_count for version in live if version is not None}

    def open_attempts(self) -> Sequence[DocumentRecord]:
        """Records whose attempt is open."""
        return [self._records[document_id] for document_id in self._open]

    def referenced_attempts(self) -> frozenset[str]:
        """Attempts whose chunks and text must stay: the live and the open ones."""
        open_ids = (self._records[document_id].attempt.attempt_id for document_id in self._open)
        return frozenset(self._document_of_live).union(open_ids)

    def is_referenced(self, attempt_id: str) -> bool:
        """Whether the attempt is live or open."""
        return attempt_id in self._document_of_live or any(
            record.attempt.attempt_id == attempt_id for record in self.open_attempts()
        )

    def after(self, cursor: Cursor | None, limit: int) -> Sequence[DocumentRecord]:
        """Up to `limit` records following `cursor`, newest first."""
        end = (
            bisect_left(self._order, (cursor.create_microseconds, cursor.document_id))
            if cursor
            else len(self._order)
        )
        keys = self._order[max(0, end - limit) : end]
        return [self._records[document_id] for _, document_id in reversed(keys)]

    def totals(self, now: datetime) -> Totals:
        """Counts; attempts whose lease ended before `now` are failed."""
        first_attempts = [r for r in self.open_attempts() if r.live is None]
        abandoned = sum(is_abandoned(record, now) for record in first_attempts)
        return Totals(
            indexed_documents=len(self._document_of_live),
            processing_documents=len(first_attempts) - abandoned,
            failed_documents=len(self._failed) + abandoned,
            chunks=self._chunks,
            characters=self._characters,
            size_bytes=self._size_bytes,
        )

    def select(self, wanted: Filter) -> Selection:
        """The live attempts that pass `wanted`. Read it before anything else is done with the catalogue."""
        found = self._selections.get(wanted)
        if found is None:
            found = Selection(predicate(wanted))
            for record in self._candidates(wanted):
                found.put(None, record)
            if len(self._selections) >= _MAX_REMEMBERED_FILTERS:
                self._selections.clear()
            self._selections[wanted] = found
        return found

    def _candidates(self, wanted: Filter) -> Collection[DocumentRecord]:
        named = named_values(wanted, "document_id")
        if named is None:
            return self._records.values()
        return [self._records[i] for i in named if isinstance(i, str) and i in self._records]

    def _mark(self, group: set[str], record: DocumentRecord, belongs: bool) -> None:
        (group.add if belongs else group.discard)(record.document_id)

    def _count(self, record: DocumentRecord | None, sign: int) -> None:
        if record is None or record.live is None:
            return
        live = record.live
        if sign > 0:
            self._document_of_live[live.attempt_id] = record.document_id
        else:
            self._document_of_live.pop(live.attempt_id, None)
        self._chunks += sign * live.chunk_count
        self._characters += sign * live.character_count
        self._size_bytes += sign * live.description.size_bytes
        self._text_blocks += sign * live.text_block_count
        self._languages[live.language] += sign * live.chunk_count

    def _drop_from_order(self, record: DocumentRecord) -> None:
        position = bisect_left(self._order, _order_key(record))
        del self._order[position]


def _order_key(record: DocumentRecord) -> tuple[int, str]:
    return to_microseconds(record.create_time), record.document_id
