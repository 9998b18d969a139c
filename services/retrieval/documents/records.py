"""Changing a document's record so that two writers never undo each other's work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.model import Attempt, DocumentRecord
from services.retrieval.store.payloads import to_microseconds
from services.retrieval.store.protocol import RecordStore

# Each lost race means that another writer got through; this many in a row is a store that misbehaves.
_MAX_TRIES = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A record before and after a change; `before` is None when it is new."""

    before: DocumentRecord | None
    after: DocumentRecord

    @property
    def was_needed(self) -> bool:
        """Whether anything was written."""
        return self.after is not self.before


class RecordEditor:
    """Reads, lets `decide` make the new record, writes if nobody else wrote meanwhile, else starts over."""

    def __init__(self, records: RecordStore, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def change(
        self, tenant: str, document_id: str, decide: Callable[[DocumentRecord | None], DocumentRecord]
    ) -> Change:
        """Applies `decide` to the record as it stands (None: there is none).

        `decide` has no effects of its own, since it runs anew for each try. It returns the new record,
        whose revision and update time are set here, or the very record it got to leave it as it is; what
        it raises is passed on. Raises STORE_UNAVAILABLE when the write never gets through.
        """
        for _ in range(_MAX_TRIES):
            before = await self._records.get(tenant, document_id)
            wanted = decide(before)
            if wanted is before:
                return Change(before, wanted)
            now = self._clock.now()
            # A new record starts from the time, so that no two lives of a document share a revision.
            revision = before.revision + 1 if before else to_microseconds(now)
            after = replace(wanted, revision=revision, update_time=now)
            expected = before.revision if before else None
            if await self._records.put(tenant, after, expected_revision=expected):
                return Change(before, after)
        raise too_busy()

    async def remove(self, tenant: str, document_id: str) -> DocumentRecord | None:
        """Removes the record and returns it as it last stood; None when there is none."""
        for _ in range(_MAX_TRIES):
            before = await self._records.get(tenant, document_id)
            if before is None:
                return None
            if await self._records.remove(tenant, document_id, expected_revision=before.revision):
                return before
        raise too_busy()


def owned_attempt(record: DocumentRecord | None, token: str) -> tuple[DocumentRecord, Attempt]:
    """The record and its open attempt, if `token` is that attempt's.

    Raises ATTEMPT_SUPERSEDED otherwise: a later upload, a delete, or the end of the lease took it away.
    """
    if record is None or record.attempt.attempt_id != token or not record.attempt.is_open:
        raise DocuQueryError(
            reasons.ERROR_REASON_ATTEMPT_SUPERSEDED,
            "Another upload or a delete of this document took over, or this upload was given up as "
            "abandoned. Upload it again if it is still wanted.",
        )
    return record, record.attempt


def too_busy() -> DocuQueryError:
    """The error for a record that will not hold still."""
    return DocuQueryError(
        reasons.ERROR_REASON_STORE_UNAVAILABLE,
        "Too many writers are changing this document at once. Try again in a moment.",
    )
