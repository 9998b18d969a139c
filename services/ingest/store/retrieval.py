"""The retrieval service as a `Store`: calls with a time limit each, repeated while it restarts."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

import grpc

from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from libs.errors import DocuQueryError
from libs.rpc.client import unary
from services.ingest import convert
from services.ingest.model import DocumentType
from services.ingest.pipeline import NothingToDo
from services.ingest.spool.parsed_file import Batch, ParsedSummary
from services.ingest.store import convert_retrieval
from services.ingest.store.retry import Retry
from services.ingest.uploads.model import Attempt, Done, Header

_SERVICE = "retrieval"

Req = TypeVar("Req")
Res = TypeVar("Res")


class RetrievalStore:
    """Writes documents through RetrievalService.

    `timeout_seconds` bounds each call; `retry` decides how long calls that fail for a moment's reason are
    repeated. All of them are safe to repeat: begin takes a new token, write stores the same chunks again,
    a repeated last write is answered like the first.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float, retry: Retry) -> None:
        self._stub = RetrievalServiceStub(channel)
        self._timeout_seconds = timeout_seconds
        self._retry = retry

    async def _call(self, method: grpc.aio.UnaryUnaryMultiCallable[Req, Res], request: Req) -> Res:
        return await self._retry.call(
            partial(unary, method, request, service=_SERVICE, timeout_seconds=self._timeout_seconds)
        )

    async def begin(
        self, header: Header, kind: DocumentType, size_bytes: int, version: str
    ) -> Attempt | NothingToDo:
        """See `pipeline.Store.begin`."""
        request = convert_retrieval.begin_attempt_to_proto(header, kind, size_bytes, version)
        response = await self._call(self._stub.BeginAttempt, request)
        return convert_retrieval.begun_from_proto(response)

    async def announce(self, header: Header) -> Attempt | None:
        """See `announcement.Announcer.announce`."""
        request = convert_retrieval.begin_attempt_to_proto(header, None, header.size_bytes, "")
        begun = convert_retrieval.begun_from_proto(await self._call(self._stub.BeginAttempt, request))
        return begun if isinstance(begun, Attempt) else None

    async def identify(
        self, attempt: Attempt, kind: DocumentType, size_bytes: int, version: str
    ) -> NothingToDo | None:
        """See `pipeline.Store.identify`."""
        request = convert_retrieval.identify_to_proto(attempt, kind, size_bytes, version)
        return convert_retrieval.identified_from_proto(await self._call(self._stub.UpdateAttempt, request))

    async def renew(self, attempt: Attempt) -> None:
        """See `announcement.Announcer.renew`."""
        request = pb.UpdateAttemptRequest(document_id=attempt.document_id, attempt_token=attempt.token)
        await self._call(self._stub.UpdateAttempt, request)

    async def write(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> int:
        """See `pipeline.Store.write`."""
        request = convert_retrieval.write_chunks_to_proto(attempt, batch, summary)
        response = await self._call(self._stub.WriteChunks, request)
        return response.chunks_written

    async def finish(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> Done:
        """See `pipeline.Store.finish`."""
        request = convert_retrieval.write_chunks_to_proto(attempt, batch, summary)
        request.commit.CopyFrom(convert_retrieval.commit_to_proto(summary))
        committed = (await self._call(self._stub.WriteChunks, request)).committed
        return Done(convert_retrieval.result_from_proto(committed.result), committed.document)

    async def fail(self, attempt: Attempt, error: DocuQueryError) -> None:
        """See `pipeline.Store.fail`. Tried once."""
        request = pb.FailAttemptRequest(
            document_id=attempt.document_id,
            attempt_token=attempt.token,
            error=convert.error_to_proto(error),
        )
        await unary(self._stub.FailAttempt, request, service=_SERVICE, timeout_seconds=self._timeout_seconds)
