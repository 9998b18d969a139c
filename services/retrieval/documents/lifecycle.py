"""The life of a document: an attempt begins, moves on, and ends by a commit, a failure or a delete.

One record write decides each step. A commit makes all chunks of the attempt visible and those of the
former version invisible at once, since readers look at the record, not at the chunks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, TypeAlias

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError, Violations
from services.retrieval.attempts.completeness import Completion, StoredParts, require_complete
from services.retrieval.attempts.lease import stage_status
from services.retrieval.attempts.repeated import redescribed, unneeded
from services.retrieval.documents import identifiers
from services.retrieval.documents.quota import Quota
from services.retrieval.documents.records import RecordEditor, owned_attempt
from services.retrieval.model import (
    Attempt,
    Description,
    DocumentError,
    DocumentRecord,
    DocumentType,
    IfExists,
    LiveVersion,
    Stage,
    Status,
    UploadResult,
)
from services.retrieval.store.protocol import Totals
from services.retrieval.store.stores import Stores
from services.retrieval.store.together import both

BeforeCommit: TypeAlias = "Callable[[str, str], Awaitable[None]]"


class Leftovers(Protocol):
    """Where the chunks and text of an attempt go that no record refers to any more."""

    def discard(self, tenant: str, attempt_id: str) -> None:
        """Has them deleted, once no search under way can still be reading them."""
        ...


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """An attempt that is not needed, and the document as it stands."""

    result: UploadResult
    record: DocumentRecord


@dataclass(frozen=True, slots=True)
class Begun:
    """An open attempt; `token` owns the document until the attempt ends."""

    document_id: str
    token: str


@dataclass(frozen=True, slots=True)
class News:
    """What an ingest has learned since it began; empty fields are no news."""

    stage: Stage | None = None
    version: str = ""
    type: DocumentType | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """A version that is live."""

    result: UploadResult
    record: DocumentRecord


class Documents:
    """Every change to documents, for all tenants."""

    def __init__(
        self,
        stores: Stores,
        editor: RecordEditor,
        leftovers: Leftovers,
        clock: Clock,
        lease: timedelta,
        quota: Quota | None = None,
        before_commit: BeforeCommit | None = None,
    ) -> None:
        """`quota` None: no limits. `before_commit`: told tenant and attempt before its chunks are counted."""
        self._records = stores.records
        self._quota = quota or Quota()
        self._chunks = stores.chunks
        self._texts = stores.texts
        self._editor = editor
        self._leftovers = leftovers
        self._clock = clock
        self._lease = lease
        self._before_commit = before_commit

    async def begin(
        self, tenant: str, source: str, description: Description, version: str, if_exists: IfExists
    ) -> Begun | NothingToDo:
        """Opens an attempt on `source`, taking the document from any attempt under way.

        When `version` is the live one there is nothing to store: only what `description` says is kept.
        `version` may be empty: `update` brings it. Raises DOCUMENT_ALREADY_EXISTS when there is a live
        version and `if_exists` is FAIL; QUOTA_EXCEEDED.
        """
        document_id = identifiers.document_id(tenant, source)
        totals = await self._totals(tenant)

        def decide(record: DocumentRecord | None) -> DocumentRecord:
            if record is not None and (result := unneeded(record, version, if_exists)):
                return record if result is UploadResult.SKIPPED else redescribed(record, description)
            self._quota.require_room(totals, record, description.size_bytes)
            now = self._clock.now()
            # A version is known when all bytes are there.
            stage = Stage.PARSING if version else Stage.RECEIVING
            attempt = Attempt(
                attempt_id=identifiers.new_attempt_id(),
                version=version,
                status=stage_status(stage),
                stage=stage,
                description=description,
                start_time=now,
                update_time=now,
                lease_end=now + self._lease,
            )
            if record is None:
                return DocumentRecord(document_id, source, create_time=now, update_time=now, attempt=attempt)
            return replace(record, attempt=attempt)

        change = await self._editor.change(tenant, document_id, decide)
        if result := unneeded(change.after, version, if_exists):
            return NothingToDo(UploadResult.METADATA_UPDATED if change.was_needed else result, change.after)
        self._discard_open_attempt(tenant, change.before)
        return Begun(document_id, change.after.attempt.attempt_id)

    async def update(self, tenant: str, document_id: str, token: str, news: News) -> NothingToDo | None:
        """Records what became known and renews the lease.

        Returns NothingToDo, and the attempt has ended, when the version turns out to be the live one.
        Raises ATTEMPT_SUPERSEDED; INVALID_REQUEST when the attempt already has another version;
        QUOTA_EXCEEDED.
        """
        totals = await self._totals(tenant)

        def decide(found: DocumentRecord | None) -> DocumentRecord:
            record, attempt = owned_attempt(found, token)
            faults = Violations()
            same = not (news.version and attempt.version) or news.version == attempt.version
            faults.require(same, "version", "the attempt already has another version; begin a new attempt")
            faults.raise_if_any()
            now = self._clock.now()
            known = attempt.description
            stage = news.stage or attempt.stage
            attempt = replace(
                attempt,
                version=news.version or attempt.version,
                stage=stage,
                status=stage_status(stage),
                description=replace(
                    known, type=news.type or known.type, size_bytes=news.size_bytes or known.size_bytes
                ),
                update_time=now,
                lease_end=now + self._lease,
            )
            if record.live and record.live.version == attempt.version:
                record = redescribed(record, attempt.description)
                attempt = replace(attempt, status=Status.INDEXED, stage=Stage.DONE)
            else:
                self._quota.require_room(totals, record, attempt.description.size_bytes)
            return replace(record, attempt=attempt)

        change = await self._editor.change(tenant, document_id, decide)
        if change.after.attempt.is_open:
            return None
        self._leftovers.discard(tenant, token)
        is_news = change.before is None or change.before.live != change.after.live
        return NothingToDo(UploadResult.METADATA_UPDATED if is_news else UploadResult.UNCHANGED, change.after)

    async def commit(self, tenant: str, document_id: str, token: str, version: Completion) -> Committed:
        """Makes the attempt's version live. Repeating it is harmless.

        Raises ATTEMPT_SUPERSEDED; INVALID_REQUEST when the version is not known, or chunks or text are
        missing: nothing incomplete goes live; QUOTA_EXCEEDED.
        """
        if not self._quota:
            return await self._commit(tenant, document_id, token, version)
        async with self._quota.lock(tenant):
            return await self._commit(tenant, document_id, token, version)

    async def _commit(self, tenant: str, document_id: str, token: str, version: Completion) -> Committed:
        totals = await self._totals(tenant)
        if self._before_commit is not None:
            await self._before_commit(tenant, token)
        extent, texts = await both(self._chunks.extent(tenant, token), self._texts.extents(tenant, token))
        stored = StoredParts(extent.chunks, extent.highest_ordinal, texts)

        def decide(found: DocumentRecord | None) -> DocumentRecord:
            if found and found.live and found.live.attempt_id == token:
                return found  # the reply to an earlier commit was lost
            record, attempt = owned_attempt(found, token)
            require_complete(attempt, version, stored)
            self._quota.require_room(totals, record, attempt.description.size_bytes)
            live = LiveVersion(
                attempt_id=token,
                version=attempt.version,
                description=attempt.description.over(record.live.description if record.live else None),
                title=version.title,
                chunk_count=version.chunk_count,
                page_count=version.page_count,
                character_count=version.character_count,
                text_block_count=len(stored.text_extents),
                replaced=record.live is not None,
                language=version.language,
            )
            done = replace(
                attempt,
                status=Status.INDEXED,
                stage=Stage.DONE,
                update_time=self._clock.now(),
                chunks_written=version.chunk_count,
                chunks_total=version.chunk_count,
            )
            return replace(record, live=live, attempt=done)

        change = await self._editor.change(tenant, document_id, decide)
        if change.was_needed and change.before and change.before.live:
            self._leftovers.discard(tenant, change.before.live.attempt_id)
        replaced = change.after.live is not None and change.after.live.replaced
        return Committed(UploadResult.REPLACED if replaced else UploadResult.CREATED, change.after)

    async def fail(self, tenant: str, document_id: str, token: str, error: DocumentError) -> DocumentRecord:
        """Ends the attempt with `error`; the live version stays. Repeating it is harmless.

        Raises ATTEMPT_SUPERSEDED.
        """

        def decide(found: DocumentRecord | None) -> DocumentRecord:
            if found and found.attempt.attempt_id == token and found.attempt.status is Status.FAILED:
                return found
            record, attempt = owned_attempt(found, token)
            failed = replace(attempt, status=Status.FAILED, error=error, update_time=self._clock.now())
            return replace(record, attempt=failed)

        change = await self._editor.change(tenant, document_id, decide)
        if change.was_needed:
            self._leftovers.discard(tenant, token)
        return change.after

    async def delete(self, tenant: str, document_id: str) -> int:
        """Removes the document and ends any attempt on it; no search that starts now finds it.

        Returns how many live chunks went. Raises DOCUMENT_NOT_FOUND.
        """
        record = await self._editor.remove(tenant, document_id)
        if record is None:
            raise document_not_found()
        self._discard_open_attempt(tenant, record)
        if record.live is None:
            return 0
        self._leftovers.discard(tenant, record.live.attempt_id)
        return record.live.chunk_count

    async def _totals(self, tenant: str) -> Totals:
        """What the quota is compared with."""
        return await self._records.totals(tenant, self._clock.now()) if self._quota else Totals()

    def _discard_open_attempt(self, tenant: str, record: DocumentRecord | None) -> None:
        if record and record.attempt.is_open:
            self._leftovers.discard(tenant, record.attempt.attempt_id)


def document_not_found() -> DocuQueryError:
    """The error for an id that is not one of the tenant's documents."""
    return DocuQueryError(
        reasons.ERROR_REASON_DOCUMENT_NOT_FOUND,
        "There is no such document. It may have been deleted; list the documents to see what there is.",
    )
