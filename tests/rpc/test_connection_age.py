"""Connections come to an end in time, and nobody notices but the resolver."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from docuquery.answer.v1 import answer_service_pb2 as pb
from docuquery.answer.v1 import answer_service_pb2_grpc as rpc
from libs.rpc.channel import open_channel
from libs.rpc.server import ServiceRegistration, serve
from libs.settings import ServiceSettings

METADATA = (("x-docuquery-tenant", "acme"),)


ENOUGH = 3


class Peers(rpc.AnswerServiceServicer):
    """Notes where calls come from; Generate ends when it was from ENOUGH connections."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._enough = asyncio.Event()

    async def ListPrompts(self, request, context):  # type: ignore[no-untyped-def]
        self.seen.add(context.peer())
        if len(self.seen) >= ENOUGH:
            self._enough.set()
        return pb.ListPromptsResponse()

    async def Generate(self, request, context):  # type: ignore[no-untyped-def]
        yield pb.GenerateResponse()
        await self._enough.wait()
        yield pb.GenerateResponse()


@pytest.mark.parametrize(("age", "connections"), [(0.3, ENOUGH), (0.0, 1)])
async def test_a_caller_connects_anew_and_no_call_fails(age: float, connections: int) -> None:
    peers = Peers()
    registration = ServiceRegistration(
        "docuquery.answer.v1.AnswerService", partial(rpc.add_AnswerServiceServicer_to_server, peers)
    )
    settings = ServiceSettings(_env_file=None, max_connection_age_seconds=age, drain_notice_seconds=0)
    async with (
        serve(name="answer", settings=settings, services=[registration]) as server,
        open_channel(server.address, max_message_bytes=2**20) as channel,
    ):
        stub = rpc.AnswerServiceStub(channel)
        # A stream that outlives its connection's age.
        stream = stub.Generate(pb.GenerateRequest(), metadata=METADATA) if age else None
        for _ in range(1000 if age else 50):
            await stub.ListPrompts(pb.ListPromptsRequest(), metadata=METADATA)
            if age and len(peers.seen) >= connections:
                break
            await asyncio.sleep(0.01)
        assert len(peers.seen) == connections
        if stream is not None:
            assert [event async for event in stream] == [pb.GenerateResponse()] * 2
