"""IngestService: messages in, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import grpc

from docuquery.ingest.v1 import ingest_service_pb2 as pb
from docuquery.ingest.v1.ingest_service_pb2_grpc import IngestServiceServicer
from services.ingest import convert
from services.ingest.session import Session
from services.ingest.uploads.model import Part

Context = grpc.aio.ServicerContext[pb.IngestDocumentsRequest, pb.IngestDocumentsResponse]


class IngestServicer(IngestServiceServicer):
    """Serves each stream by a session of its own, made by `new_session`."""

    def __init__(self, new_session: Callable[[], Session]) -> None:
        self._new_session = new_session

    async def IngestDocuments(
        self,
        request_iterator: AsyncIterator[pb.IngestDocumentsRequest],
        context: Context,  # noqa: ARG002 - part of the generated signature
    ) -> AsyncIterator[pb.IngestDocumentsResponse]:
        """See the contract."""
        async with aclosing(self._new_session().run(_parts(request_iterator))) as progress:
            async for event in progress:
                yield convert.progress_to_proto(event)


async def _parts(requests: AsyncIterator[pb.IngestDocumentsRequest]) -> AsyncIterator[Part]:
    async for request in requests:
        yield convert.part_from_proto(request)
