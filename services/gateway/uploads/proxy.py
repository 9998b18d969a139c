"""Bulk uploads: passes each message on as it comes, in both directions, with constant memory.

Flow control reaches through: while the caller does not read, or ingest does not, nothing more is read
from the other side. Memory is one message on its way up, a few acknowledgements on their way down, and a
line in the ledger for each unfinished document.

When ingest breaks off, every unfinished document is acknowledged FAILED with a retryable reason, and then
the stream itself ends with UNAVAILABLE rather than OK: the caller may have documents it has not sent yet,
and a caller that looks at the status only must not take them for done. Sending everything again is safe:
what was indexed is UNCHANGED.

There is no total time limit. A caller that is silent for `idle_seconds`, or an ingest service silent for
`stall_seconds` while it holds a whole document, ends the stream; so does the server (`reading_layer`) when a
caller leaves acknowledgements unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentsRequest, UploadDocumentsResponse
from docuquery.ingest.v1.ingest_service_pb2 import IngestDocumentsRequest, IngestDocumentsResponse
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.gateway.convert import ingest_request, upload_response
from services.gateway.uploads.ledger import UploadLedger, is_final

log = structlog.get_logger()

_OUTBOX_SIZE = 8


class IngestCall(Protocol):
    """An open stream to the ingest service."""

    async def write(self, request: IngestDocumentsRequest) -> None:
        """Sends one message; waits while flow control holds it back. Raises DocuQueryError."""
        ...

    async def done_writing(self) -> None:
        """Says that no more messages follow."""
        ...

    def responses(self) -> AsyncIterator[IngestDocumentsResponse]:
        """The acknowledgements. Raises DocuQueryError while iterating."""
        ...


class Ingest(Protocol):
    """The ingest service."""

    def open(self, timeout_seconds: float) -> AbstractAsyncContextManager[IngestCall]:
        """Opens a stream; cancelled on leaving. Raises DocuQueryError."""
        ...


@dataclass(frozen=True, slots=True)
class UploadPolicy:
    """How long silence is borne."""

    idle_seconds: float = 60.0
    """Of the caller."""
    stall_seconds: float = 300.0
    """Of the ingest service while it works on a document; above its own limit for parsing one."""


@dataclass(frozen=True, slots=True)
class _End:
    """The last item of an outbox."""

    error: Exception | None
    by_ingest: bool


_Outbox: TypeAlias = "asyncio.Queue[UploadDocumentsResponse | _End]"


class UploadProxy:
    """Serves UploadDocuments."""

    def __init__(self, ingest: Ingest, clock: Clock, policy: UploadPolicy) -> None:
        self._ingest = ingest
        self._clock = clock
        self._policy = policy

    async def run(
        self, requests: AsyncIterator[UploadDocumentsRequest], timeout_seconds: float
    ) -> AsyncGenerator[UploadDocumentsResponse, None]:
        """The acknowledgements for `requests`. `timeout_seconds` is the caller's own limit, or infinite."""
        async with self._ingest.open(timeout_seconds) as call:
            stream = _Stream(call, self._clock, self._policy)
            tasks = (
                asyncio.create_task(stream.send_up(requests)),
                asyncio.create_task(stream.send_down()),
            )
            try:
                while isinstance(item := await stream.next_item(), UploadDocumentsResponse):
                    yield item
                error = stream.verdict(item)
                if error is not None:
                    for response in stream.ledger.give_up(as_public(error)):
                        yield response
                    raise error
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


class _Stream:
    """One upload stream: two pumps and what they share."""

    def __init__(self, call: IngestCall, clock: Clock, policy: UploadPolicy) -> None:
        self._call = call
        self._clock = clock
        self._policy = policy
        self._outbox: _Outbox = asyncio.Queue(_OUTBOX_SIZE)
        self._heard_at = clock.monotonic()
        self._caller_done = False
        self.ledger = UploadLedger()

    async def send_up(self, requests: AsyncIterator[UploadDocumentsRequest]) -> None:
        """Passes the caller's messages on to ingest."""
        try:
            async for message in requests:
                self._heard_at = self._clock.monotonic()
                begun = self.ledger.has_begun(message.upload_id)
                refusal = self.ledger.check(message)
                if refusal is not None:
                    await self._outbox.put(refusal)
                    if begun:
                        # Without a part: ingest gives up what it has, which would count as unfinished.
                        await self._write(IngestDocumentsRequest(upload_id=message.upload_id))
                if not self.ledger.is_refused(message.upload_id):
                    await self._write(ingest_request(message))
            self._caller_done = True
            await self._call.done_writing()
        except _IngestGone:
            return  # the other pump learns why
        except Exception as error:
            # Whatever it is, the other side of this task must learn of it, or the stream would hang.
            await self._outbox.put(_End(error, by_ingest=False))

    async def _write(self, request: IngestDocumentsRequest) -> None:
        try:
            await self._call.write(request)
        except DocuQueryError as error:
            raise _IngestGone from error

    async def send_down(self) -> None:
        """Passes ingest's acknowledgements on to the caller."""
        error: Exception | None = None
        try:
            async for response in self._call.responses():
                self._heard_at = self._clock.monotonic()
                if not self.ledger.is_refused(response.upload_id):
                    final = is_final(response.progress)
                    await self._outbox.put(upload_response(response))
                    self.ledger.acknowledge(response.upload_id, response.document_id, final=final)
        except Exception as failure:
            error = failure
        await self._outbox.put(_End(error, by_ingest=True))

    async def next_item(self) -> UploadDocumentsResponse | _End:
        """The next thing to tell the caller, or the end; the end also when silence has lasted too long."""
        entered = self._clock.monotonic()  # a caller slow to take the last one has not been silent
        while True:
            busy = self.ledger.ingest_is_busy or self._caller_done
            patience = self._policy.stall_seconds if busy else self._policy.idle_seconds
            left = max(self._heard_at, entered) + patience - self._clock.monotonic()
            if left <= 0:
                return _End(_stalled() if busy else _idle(patience), by_ingest=False)
            try:
                # Looked at anew in between: messages that ask for no acknowledgement, and whose turn it
                # is, change what is waited for.
                async with asyncio.timeout(min(left, self._policy.idle_seconds, self._policy.stall_seconds)):
                    return await self._outbox.get()
            except TimeoutError:
                continue

    def verdict(self, end: _End) -> Exception | None:
        """What the stream ends with; None when all is well."""
        if end.error is not None:
            log.warning("upload_stream_broken", error=str(end.error), by_ingest=end.by_ingest)
            return end.error
        if self.ledger.has_unfinished or not self._caller_done:
            log.error("ingest_ended_early")
            return _stalled()
        return None


class _IngestGone(Exception):  # noqa: N818 - a signal between two methods
    """Ingest takes no more messages."""


def as_public(error: Exception) -> DocuQueryError:
    """What the acknowledgements of unfinished documents say when the stream ends with `error`."""
    if isinstance(error, DocuQueryError):
        return error
    return DocuQueryError(reasons.ERROR_REASON_INTERNAL, "Something went wrong on our side.")


def _idle(seconds: float) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_UPLOAD_INCOMPLETE,
        f"Nothing was sent for {seconds:.0f} s. Open a new stream and send unfinished documents again.",
    )


def _stalled() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        "The ingest service stopped working on the stream. Send unfinished documents again.",
        metadata={"service": "ingest"},
    )
