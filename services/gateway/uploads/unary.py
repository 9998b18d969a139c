"""Uploading one small document in one message: a stream to ingest that the caller does not see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.document_pb2 import DocumentError
from docuquery.common.v1.upload_pb2 import UploadDone, UploadFooter
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentRequest
from docuquery.ingest.v1.ingest_service_pb2 import IngestDocumentsRequest
from libs.errors import DocuQueryError
from services.gateway.convert import upload_header
from services.gateway.uploads.proxy import Ingest, IngestCall, UploadPolicy

PIECE_BYTES = 256 * 1024
"""Small enough to interleave with other streams of the connection, large enough to cost nothing."""

_UPLOAD_ID = "1"


class UnaryUpload:
    """Serves UploadDocument."""

    def __init__(self, ingest: Ingest, policy: UploadPolicy) -> None:
        self._ingest = ingest
        self._policy = policy

    async def run(self, request: UploadDocumentRequest, timeout_seconds: float) -> UploadDone:
        """Ingests the document and waits until it is searchable.

        `timeout_seconds` is the caller's own limit, or infinite; ingest may be silent for
        `stall_seconds`. Raises the DocuQueryError that says why the document was not ingested.
        """
        async with self._ingest.open(timeout_seconds) as call:
            sending = asyncio.create_task(_send(call, request))
            try:
                return await self._last_word(call)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _last_word(self, call: IngestCall) -> UploadDone:
        done: UploadDone | None = None
        responses = call.responses()
        try:
            while True:
                async with asyncio.timeout(self._policy.stall_seconds):
                    response = await anext(responses, None)
                if response is None:
                    break
                event = response.progress.WhichOneof("event")
                if event == "failed":
                    raise _document_failed(response.progress.failed, response.document_id)
                if event == "done":
                    done = response.progress.done
        except TimeoutError:
            pass  # said below, unless the document was done before
        except DocuQueryError:
            if done is None:
                raise
        if done is None:
            raise _unfinished()
        return done


async def _send(call: IngestCall, request: UploadDocumentRequest) -> None:
    for message in pieces(request):
        await call.write(message)
    await call.done_writing()


def pieces(request: UploadDocumentRequest) -> Iterator[IngestDocumentsRequest]:
    """The document as ingest takes it: header, data, footer."""
    yield IngestDocumentsRequest(upload_id=_UPLOAD_ID, header=upload_header(request))
    for start in range(0, len(request.content), PIECE_BYTES):
        yield IngestDocumentsRequest(upload_id=_UPLOAD_ID, data=request.content[start : start + PIECE_BYTES])
    yield IngestDocumentsRequest(upload_id=_UPLOAD_ID, footer=UploadFooter())


def _document_failed(error: DocumentError, document_id: str) -> DocuQueryError:
    metadata = dict(error.metadata) | ({"document_id": document_id} if document_id else {})
    return DocuQueryError(error.reason, error.message, metadata=metadata)


def _unfinished() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        "The ingest service ended without a word about the document. Send it again.",
        metadata={"service": "ingest"},
    )
