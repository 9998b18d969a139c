"""What the gateway's benchmarks ask, and how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from benchmarks.load import Call
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub

if TYPE_CHECKING:
    from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceAsyncStub

QUESTION = pb.QueryRequest(question="What is the hotel limit per night in Paris?", include_sources=True)
IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    rounds: int = 7
    calls: int = 300
    seconds: float = 8.0
    dead_seconds: float = 60.0
    overload_seconds: float = 10.0
    overload_rounds: int = 3


QUICK = Size(rounds=2, calls=40, seconds=1.0, dead_seconds=6.0, overload_seconds=3.0, overload_rounds=1)


@asynccontextmanager
async def api_of(address: str) -> AsyncIterator[DocuQueryServiceAsyncStub]:
    """The public calls of the gateway at `address`."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield DocuQueryServiceStub(channel)


def questions(
    api: DocuQueryServiceAsyncStub, request: pb.QueryRequest = QUESTION, seconds: float = 60.0
) -> Call:
    """A call to measure."""
    return lambda: api.Query(request, timeout=seconds)


async def first_token(api: DocuQueryServiceAsyncStub) -> None:
    """A streamed answer, to its first text."""
    call = api.StreamQuery(pb.StreamQueryRequest(query=QUESTION), timeout=60)
    async for event in call:
        if event.text_delta:
            break
    call.cancel()
