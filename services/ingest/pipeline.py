"""One document from its spooled bytes to being searchable, or to a recorded failure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest import parsed_file
from services.ingest.detect import HEAD_BYTES, detect
from services.ingest.document import DocumentType
from services.ingest.fingerprint import Fingerprint
from services.ingest.parsed_file import Batch, ParsedSummary
from services.ingest.upload import Done, Header, Indexed, Parsed, Report, StoredDocument, Upload, UploadResult

log = structlog.get_logger()

INTERNAL_MESSAGE = "Something went wrong on our side. Report it with the request id."


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to write one version of a document."""

    document_id: str
    token: str


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The store has the document already, or is to keep the one it has."""

    result: UploadResult
    document: StoredDocument


class Store(Protocol):
    """Where documents go. Every method raises DocuQueryError."""

    async def begin(
        self, header: Header, kind: DocumentType, size_bytes: int, version: str
    ) -> Attempt | NothingToDo:
        """Opens an attempt to store `version`, unless there is nothing to do."""
        ...

    async def renew(self, attempt: Attempt) -> None:
        """Says that parsing goes on. Raises ATTEMPT_SUPERSEDED when the attempt has lost its right."""
        ...

    async def write(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> int:
        """Stores a batch; returns how many chunks of the attempt are stored. Writing twice does no harm."""
        ...

    async def commit(self, attempt: Attempt, summary: ParsedSummary) -> Done:
        """Makes the attempt's version the live one."""
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
    renew_seconds: float = 5.0
    """Time between signs of life while a document is being parsed."""
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

    async def ingest(self, upload: Upload, report: Report) -> None:
        """Takes `upload` to its end, telling `report` of every step but failure.

        An upload refused before the store knows of it (its type, say) leaves no trace there; from then on
        every failure, being cancelled included, is recorded with the document.
        Raises DocuQueryError. The spooled file is left to the caller.
        """
        header = upload.header
        head = upload.file.head(HEAD_BYTES)
        kind = detect(head, header.filename, header.declared_type, upload.file.path)
        version = self._fingerprint.version_of(kind, upload.file.sha256)
        begun = await self._store.begin(header, kind, upload.file.size_bytes, version)
        if isinstance(begun, NothingToDo):
            report.identify(begun.document.document_id)
            await report.tell(Done(begun.result, begun.document))
            return
        report.identify(begun.document_id)
        try:
            done = await self._work(begun, upload, kind, report)
        except BaseException as error:
            await self._record(begun, error)
            raise
        await report.tell(done)

    async def close(self) -> None:
        """Waits until every failure is recorded, which takes a few seconds at most."""
        await asyncio.gather(*self._recording, return_exceptions=True)

    async def _work(self, attempt: Attempt, upload: Upload, kind: DocumentType, report: Report) -> Done:
        summary = await self._parse(attempt, upload, kind)
        await report.tell(Parsed(kind, summary.page_count, summary.chunk_count))
        for batch in parsed_file.batches(
            upload.file.path,
            summary,
            max_chunks=self._limits.batch_chunks,
            max_bytes=self._limits.batch_bytes,
        ):
            written = await self._store.write(attempt, batch, summary)
            await report.tell(Indexed(written, summary.chunk_count))
        return await self._store.commit(attempt, summary)

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
