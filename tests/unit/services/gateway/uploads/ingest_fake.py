"""An ingest service in memory: keeps what it is sent and says what the test puts in its mouth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.document_pb2 import Document, UploadResult
from docuquery.ingest.v1.ingest_service_pb2 import IngestDocumentsRequest, IngestDocumentsResponse
from libs.errors import DocuQueryError

DIED = DocuQueryError(
    reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
    "The ingest service cannot be reached.",
    metadata={"service": "ingest"},
)


def received(upload_id: str, document_id: str = "") -> IngestDocumentsResponse:
    response = IngestDocumentsResponse(upload_id=upload_id, document_id=document_id)
    response.progress.received.size_bytes = 1
    return response


def done(upload_id: str) -> IngestDocumentsResponse:
    response = IngestDocumentsResponse(upload_id=upload_id, document_id=f"id-{upload_id}")
    response.progress.done.result = UploadResult.UPLOAD_RESULT_CREATED
    response.progress.done.document.CopyFrom(Document(document_id=f"id-{upload_id}"))
    return response


def failed(upload_id: str) -> IngestDocumentsResponse:
    response = IngestDocumentsResponse(upload_id=upload_id)
    response.progress.failed.reason = reasons.ERROR_REASON_NO_TEXT
    response.progress.failed.message = "No text."
    return response


class FakeIngest:
    """One stream at a time. `says` queues responses; an exception is raised, None ends the stream.

    With `obliging` it finishes each document at its footer by itself, and ends when the caller does.
    """

    def __init__(self, *, obliging: bool = False, write_slots: int | None = None) -> None:
        self.obliging = obliging
        self.received: list[IngestDocumentsRequest] = []
        self.caller_done = False
        self.opened = 0
        self.closed = 0
        self.timeouts: list[float] = []
        self.refuses_writes = False
        self._says: asyncio.Queue[IngestDocumentsResponse | Exception | None] = asyncio.Queue()
        self.writable = asyncio.Semaphore(write_slots if write_slots is not None else 1_000_000)

    def says(self, *items: IngestDocumentsResponse | Exception | None) -> None:
        for item in items:
            self._says.put_nowait(item)

    @asynccontextmanager
    async def open(self, timeout_seconds: float) -> AsyncIterator[FakeIngest]:
        self.opened += 1
        self.timeouts.append(timeout_seconds)
        try:
            yield self
        finally:
            self.closed += 1

    async def write(self, request: IngestDocumentsRequest) -> None:
        await self.writable.acquire()
        if self.refuses_writes:
            raise DIED
        self.received.append(request)
        if self.obliging and request.WhichOneof("part") == "footer":
            self.says(received(request.upload_id), done(request.upload_id))

    async def done_writing(self) -> None:
        self.caller_done = True
        if self.obliging:
            self.says(None)

    async def responses(self) -> AsyncIterator[IngestDocumentsResponse]:
        while (item := await self._says.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
