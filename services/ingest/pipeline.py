"""One document from its spooled bytes to being searchable, or to a recorded failure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest.chunking.fingerprint import Fingerprint
from services.ingest.chunking.naming import label_of
from services.ingest.detection.detect import HEAD_BYTES, detect, promised_type
from services.ingest.model import DocumentType
from services.ingest.spool import parsed_file
from services.ingest.spool.parsed_file import Batch, ParsedSummary
from services.ingest.uploads.announcement import Announcement, Announcer
from services.ingest.uploads.model import (
    Attempt,
    Done,
    Header,
    Indexed,
    Parsed,
    Report,
    StoredDocument,
    Upload,
    UploadResult,
)

log = structlog.get_logger()

INTERNAL_MESSAGE = "Something went wrong on our side. Report it with the request id."


_NOT_ITS_FAULT = frozenset({reasons.ERROR_REASON_OVERLOADED, reasons.ERROR_REASON_ATTEMPT_SUPERSEDED})


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The store has the document already, or is to keep the one it has."""

    result: UploadResult
    document: StoredDocument


class Store(Announcer, Protocol):
    """Where documents go. Every method raises DocuQueryError."""

    async def begin(
        self, header: Header, kind: DocumentType, size_bytes: int, version: str
    ) -> Attempt | NothingToDo:
        """Opens an attempt to store `version`, unless there is nothing to do."""
        ...

    async def identify(
        self, attempt: Attempt, kind: DocumentType, size_bytes: int, version: str
    ) -> NothingToDo | None:
        """Tells an announced attempt what has arrived; NothingToDo ends it."""
        ...

    async def write(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> int:
        """Stores a batch; returns how many chunks of the attempt are stored. Writing twice does no harm."""
        ...

    async def finish(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> Done:
        """Stores the last batch and makes the attempt's version the live one. Twice does no harm."""
        ...

    async def fail(self, attempt: Attempt, error: DocuQueryError) -> None:
        """Ends the attempt and records why."""
        ...


class Parser(Protocol):
    """Reads a spooled upload and leaves its text and chunks beside it (see `parsed_file`)."""

    async def parse(self, upload: Path, kind: DocumentType, password: str = "") -> ParsedSummary:
        """Raises DocuQueryError."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """Sizes and times of the pipeline."""

    batch_chunks: int = 128
    """Chunks in a message: large enough to make the call's own cost vanish, small enough that the store
    is never busy with one document for long."""
    batch_bytes: int = 1024 * 1024
    """Bytes in a message, about."""
    announce_seconds: float = 1.0
    """An upload that takes longer than this to arrive is shown in the store meanwhile."""
    renew_seconds: float = 5.0
    """Time between signs of life while a document is arriving or being parsed."""
    fail_seconds: float = 3.0
    """How long recording a failure may take."""


class Pipeline:
    """Takes uploads through detection, parsing, writing and commit, one call a document."""

    def __init__(
        self, store: Store, parser: Parser, fingerprint: Fingerprint, limits: PipelineLimits | None = None
    ) -> None:
        self._store = store
        self._parser = parser
        self._fingerprint = fingerprint
        self._limits = limits or PipelineLimits()
        self._recording: set[asyncio.Task[None]] = set()

    def announce(self, header: Header) -> Announcement:
        """Has a document shown in the store if its bytes take their time. End it, or `abandon` it."""
        return Announcement(
            self._store,
            header,
            after_seconds=self._limits.announce_seconds,
            renew_seconds=self._limits.renew_seconds,
        )

    async def abandon(self, announcement: Announcement, error: BaseException) -> str:
        """Ends an announcement whose upload failed with `error` and records why; returns the document's id.

        A document not shown in the store yet is recorded too, unless nothing is wrong with it: its caller
        went away (any other error than a DocuQueryError) or there was no room. Its id is empty then.
        """
        attempt = await announcement.end()
        if attempt is not None:
            await self._record(attempt, error)
            return attempt.document_id
        if isinstance(error, DocuQueryError) and error.reason not in _NOT_ITS_FAULT:
            return await self.refuse(announcement.header, error)
        return ""

    async def refuse(self, header: Header, error: DocuQueryError) -> str:
        """Records a document that was refused before the store knew of it; returns its id.

        Empty when it could not be recorded, or the store is to keep the document it has.
        """
        try:
            async with asyncio.timeout(self._limits.fail_seconds):
                attempt = await self._store.announce(header)
        except (DocuQueryError, TimeoutError) as failure:
            log.warning("refusal_not_recorded", source=header.source, error=str(failure))
            return ""
        if attempt is None:
            return ""
        await self._record(attempt, error)
        return attempt.document_id

    async def ingest(self, upload: Upload, report: Report) -> None:
        """Takes `upload` to its end, telling `report` of every step but failure.

        Every failure, being cancelled included, is recorded with the document. Raises DocuQueryError. The
        spooled file is left to the caller.
        """
        attempt = upload.announced
        try:
            kind = await self._detect(upload, report)
            begun = await self._begin(upload, kind)
            if isinstance(begun, NothingToDo):
                attempt = None
                report.identify(begun.document.document_id)
                done = Done(begun.result, begun.document)
            else:
                attempt = begun
                report.identify(attempt.document_id)
                done = await self._work(attempt, upload, kind, report)
        except BaseException as error:
            if attempt is not None:
                await self._record(attempt, error)
            raise
        await report.tell(replace(done, promised_type=promised_type(upload.header.filename, kind)))

    async def _detect(self, upload: Upload, report: Report) -> DocumentType:
        header = upload.header
        try:
            head = upload.file.head(HEAD_BYTES)
            return detect(head, header.filename, header.declared_type, upload.file.path)
        except DocuQueryError as error:
            if upload.announced is None:
                report.identify(await self.refuse(header, error))
            raise

    async def _begin(self, upload: Upload, kind: DocumentType) -> Attempt | NothingToDo:
        file = upload.file
        version = self._fingerprint.version_of(kind, file.sha256, upload.header.language)
        if upload.announced is None:
            return await self._store.begin(upload.header, kind, file.size_bytes, version)
        nothing = await self._store.identify(upload.announced, kind, file.size_bytes, version)
        return nothing or upload.announced

    async def close(self) -> None:
        """Waits until every failure is recorded, which takes a few seconds at most."""
        await asyncio.gather(*self._recording, return_exceptions=True)

    async def _work(self, attempt: Attempt, upload: Upload, kind: DocumentType, report: Report) -> Done:
        parsed = await self._parse(attempt, upload, kind)
        label = label_of(parsed.title, upload.header.filename, parsed.page_count)
        summary = replace(parsed, label=label, language=upload.header.language or parsed.language)
        for batch in parsed_file.batches(
            upload.file.path,
            summary,
            max_chunks=self._limits.batch_chunks,
            max_bytes=self._limits.batch_bytes,
        ):
            if batch.chunks[-1].ordinal == summary.chunk_count - 1:
                return await self._store.finish(attempt, batch, summary)
            if batch.chunks[0].ordinal == 0:
                await report.tell(Parsed(kind, summary.page_count, summary.chunk_count))
            written = await self._store.write(attempt, batch, summary)
            await report.tell(Indexed(written, summary.chunk_count))
        raise RuntimeError("a parsed document's last chunk is not among its batches")

    async def _parse(self, attempt: Attempt, upload: Upload, kind: DocumentType) -> ParsedSummary:
        """Parses, with signs of life to the store; one of them refused ends the parsing."""
        parsing = asyncio.create_task(self._parser.parse(upload.file.path, kind, upload.header.password))
        try:
            while True:
                done, _ = await asyncio.wait({parsing}, timeout=self._limits.renew_seconds)
                if done:
                    return parsing.result()
                await self._store.renew(attempt)
        finally:
            parsing.cancel()
            await asyncio.gather(parsing, return_exceptions=True)

    async def _record(self, attempt: Attempt, error: BaseException) -> None:
        """Tells the store why the attempt ended; done even when this task is being cancelled."""
        public = _public(error)
        if public.reason == reasons.ERROR_REASON_ATTEMPT_SUPERSEDED:
            # Somebody else owns the document now: its record is no longer ours to write.
            return
        recording = asyncio.create_task(self._fail(attempt, public))
        self._recording.add(recording)
        recording.add_done_callback(self._recording.discard)
        await asyncio.shield(recording)

    async def _fail(self, attempt: Attempt, error: DocuQueryError) -> None:
        try:
            async with asyncio.timeout(self._limits.fail_seconds):
                await self._store.fail(attempt, error)
        except (DocuQueryError, TimeoutError) as failure:
            # The store finds out by itself: the attempt's lease ends.
            log.warning("failure_not_recorded", document_id=attempt.document_id, error=str(failure))


def _public(error: BaseException) -> DocuQueryError:
    """What the record says about `error`."""
    if isinstance(error, DocuQueryError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return DocuQueryError(
            reasons.ERROR_REASON_UPLOAD_INCOMPLETE,
            "The upload was cut off before the document was done. Upload it again.",
        )
    return DocuQueryError(reasons.ERROR_REASON_INTERNAL, INTERNAL_MESSAGE)
