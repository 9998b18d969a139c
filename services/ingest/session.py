"""One upload stream: its documents received, several at a time in the pipeline, each with its own fate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from enum import Enum

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.context import current_call
from services.ingest.pipeline import INTERNAL_MESSAGE, Pipeline
from services.ingest.spool.spool import Spool, SpoolWriter, require_size
from services.ingest.telemetry import BYTES, DOCUMENTS
from services.ingest.uploads.announcement import Announcement
from services.ingest.uploads.model import (
    DataPart,
    Done,
    Event,
    Failed,
    FooterPart,
    Header,
    HeaderPart,
    Part,
    Progress,
    Received,
    RefusedPart,
    Upload,
)
from services.ingest.uploads.tenant_languages import TenantLanguages

log = structlog.get_logger()

_QUEUED_EVENTS = 64
"""Events that wait for the caller to read them; then the documents wait."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one stream."""

    documents_in_flight: int
    """Complete documents in the pipeline at a time; reading from the caller stops meanwhile."""
    open_uploads: int
    """Documents whose bytes may arrive interleaved."""
    documents: int
    """Documents in all."""
    idle_seconds: float
    """How long the caller may be silent."""


@dataclass(frozen=True, slots=True)
class _Receiving:
    """A document whose bytes are arriving."""

    header: Header
    writer: SpoolWriter
    announcement: Announcement


class _Past(Enum):
    """What became of an upload id."""

    COMPLETE = "complete"
    """Its footer came; the pipeline has it, or had it."""
    REFUSED = "refused"
    """It failed while its bytes were arriving; what still comes of it is dropped without a word."""


class Session:
    """Serves one stream. Use `run` once.

    Memory does not grow with documents: bytes go to the spool, and the caller is read only while there is
    room in the pipeline.
    """

    def __init__(
        self, spool: Spool, pipeline: Pipeline, limits: SessionLimits, languages: TenantLanguages
    ) -> None:
        self._spool = spool
        self._pipeline = pipeline
        self._limits = limits
        self._languages = languages
        self._uploads: dict[str, _Receiving | _Past] = {}
        self._open = 0
        self._room = asyncio.Semaphore(limits.documents_in_flight)
        self._documents: set[asyncio.Task[None]] = set()
        self._events: asyncio.Queue[Progress | None] = asyncio.Queue(_QUEUED_EVENTS)

    async def run(self, parts: AsyncIterator[Part]) -> AsyncGenerator[Progress, None]:
        """What happens to the documents in `parts`, until the last of them is done.

        Every document ends with one `Done` or `Failed`. Raises DocuQueryError DEADLINE_EXCEEDED at the end
        when the caller fell silent, OVERLOADED when it went on long after its last allowed document, and
        whatever `parts` raises.
        """
        receiving = asyncio.create_task(self._receive_all(parts))
        try:
            while (progress := await self._events.get()) is not None:
                yield progress
            await receiving
        finally:
            # Reached early when the caller goes away.
            receiving.cancel()
            for task in self._documents:
                task.cancel()
            await asyncio.gather(receiving, *self._documents, return_exceptions=True)
            for state in self._uploads.values():
                if isinstance(state, _Receiving):
                    state.writer.discard()
                    await self._pipeline.abandon(state.announcement, asyncio.CancelledError())

    async def _receive_all(self, parts: AsyncIterator[Part]) -> None:
        failure: Exception | None = None
        try:
            await self._receive(parts)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # gRPC ended the stream under us: nothing more will come.
        except Exception as error:
            failure = error
        incomplete = DocuQueryError(
            reasons.ERROR_REASON_UPLOAD_INCOMPLETE,
            "The stream ended before the document's footer. Upload it again.",
        )
        for upload_id in [key for key, state in self._uploads.items() if isinstance(state, _Receiving)]:
            await self._refuse(upload_id, incomplete)
        if self._documents:
            await asyncio.wait(self._documents)
        await self._events.put(None)
        if failure is not None:
            raise failure

    async def _receive(self, parts: AsyncIterator[Part]) -> None:
        while True:
            try:
                async with asyncio.timeout(self._limits.idle_seconds) as silence:
                    part = await anext(parts, None)
            except TimeoutError:
                if not silence.expired():
                    raise
                raise DocuQueryError(
                    reasons.ERROR_REASON_DEADLINE_EXCEEDED,
                    f"Nothing came for {self._limits.idle_seconds:g} seconds. Open a new stream to go on.",
                ) from None
            if part is None:
                return
            try:
                await self._take(part)
            except DocuQueryError as error:
                await self._refuse(part.upload_id, error)
            except Exception:
                log.exception("upload_failed", upload_id=part.upload_id)
                await self._refuse(part.upload_id, _internal())

    async def _take(self, part: Part) -> None:
        """Raises DocuQueryError when the document cannot go on."""
        state = self._uploads.get(part.upload_id)
        match part:
            case RefusedPart(error=error):
                if state is not _Past.REFUSED:
                    raise error
            case HeaderPart(header=header):
                await self._begin(part.upload_id, header, state)
            case DataPart(data=data):
                if isinstance(state, _Receiving):
                    state.announcement.require_kept()
                    await state.writer.write(data)
                elif state is not _Past.REFUSED:
                    raise _violation("bytes", state)
            case FooterPart(sha256=sha256):
                if isinstance(state, _Receiving):
                    await self._complete(part.upload_id, state, sha256)
                elif state is not _Past.REFUSED:
                    raise _violation("a footer", state)

    async def _begin(self, upload_id: str, header: Header, state: _Receiving | _Past | None) -> None:
        if state is not None:
            raise DocuQueryError(
                reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION,
                "This upload_id was used before in the stream. Give every document an upload_id of its own.",
            )
        if len(self._uploads) >= self._limits.documents:
            raise _overloaded(
                f"The stream already carried {self._limits.documents} documents. Open a new one."
            )
        if self._open >= self._limits.open_uploads:
            raise _overloaded(
                f"The stream has {self._open} unfinished documents. Send their footers before new headers."
            )
        try:
            require_size(header.size_bytes, self._spool.max_document_bytes)
        except DocuQueryError as error:
            await self._refuse(upload_id, error, await self._pipeline.refuse(header, error))
            return
        tenant = current_call().identity.tenant
        header = replace(header, language=header.language or self._languages.of(tenant))
        writer = self._spool.open(tenant)
        self._uploads[upload_id] = _Receiving(header, writer, self._pipeline.announce(header))
        self._open += 1

    async def _complete(self, upload_id: str, receiving: _Receiving, sha256: str) -> None:
        file = receiving.writer.finish(sha256)
        BYTES.add(by=file.size_bytes)
        await self._tell(upload_id, "", Received(file.size_bytes))
        # While the pipeline is full nothing is read, so gRPC's flow control holds the caller back. Until
        # then the document counts as arriving: it stays announced, and `run` cleans up behind a caller
        # that leaves.
        await self._room.acquire()
        announced = await receiving.announcement.end()
        try:
            receiving.announcement.require_kept()
        except DocuQueryError:
            self._room.release()
            raise
        self._uploads[upload_id] = _Past.COMPLETE
        self._open -= 1
        task = asyncio.create_task(self._ingest(upload_id, Upload(receiving.header, file, announced)))
        self._documents.add(task)
        task.add_done_callback(self._documents.discard)

    async def _ingest(self, upload_id: str, upload: Upload) -> None:
        report = _Report(self, upload_id)
        try:
            await self._pipeline.ingest(upload, report)
        except DocuQueryError as error:
            await report.tell(Failed(error))
        except Exception:
            log.exception("ingest_failed", upload_id=upload_id)
            await report.tell(Failed(_internal()))
        finally:
            upload.file.discard()
            self._room.release()

    async def _refuse(self, upload_id: str, error: DocuQueryError, document_id: str = "") -> None:
        """Ends the upload, wherever it stands, except that a complete document stays in the pipeline."""
        state = self._uploads.get(upload_id)
        if isinstance(state, _Receiving):
            state.writer.discard()
            self._open -= 1
            document_id = await self._pipeline.abandon(state.announcement, error)
        if state is None and len(self._uploads) >= 2 * self._limits.documents:
            # Somebody invents ids without end: remembering them all would be the next problem.
            raise _overloaded("The stream carries far too many documents. Open a new one.")
        self._uploads[upload_id] = _Past.REFUSED
        await self._tell(upload_id, document_id, Failed(error))

    async def _tell(self, upload_id: str, document_id: str, event: Event) -> None:
        match event:
            case Done(result=result):
                DOCUMENTS.add(str(result).lower())
                log.info("document_done", upload_id=upload_id, document_id=document_id, result=result)
            case Failed(error=error):
                DOCUMENTS.add(error.reason_name)
                log.info(
                    "document_failed", upload_id=upload_id, document_id=document_id, reason=error.reason_name
                )
        await self._events.put(Progress(upload_id, document_id, event))


class _Report:
    """Tells the stream about one document; see `upload.Report`."""

    def __init__(self, session: Session, upload_id: str) -> None:
        self._session = session
        self._upload_id = upload_id
        self._document_id = ""

    def identify(self, document_id: str) -> None:
        self._document_id = document_id

    async def tell(self, event: Event) -> None:
        await self._session._tell(self._upload_id, self._document_id, event)


def _violation(what: str, state: _Receiving | _Past | None) -> DocuQueryError:
    message = (
        f"The stream carried {what} after the document's footer."
        if state is _Past.COMPLETE
        else f"The stream carried {what} before the document's header."
    )
    return DocuQueryError(
        reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION,
        f"{message} Send header, data and footer in this order, once each document.",
    )


def _overloaded(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_OVERLOADED, message)


def _internal() -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_INTERNAL, INTERNAL_MESSAGE)
