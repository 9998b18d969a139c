"""TLS on the shared server and channel, with real certificates: strangers refused, files followed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from docuquery.answer.v1 import answer_service_pb2 as pb
from docuquery.answer.v1 import answer_service_pb2_grpc as rpc
from libs.errors import DocuQueryError
from libs.rpc import client
from libs.rpc.channel import open_channel
from libs.rpc.rotating import RotatingChannel
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from libs.rpc.tls_files import ClientTls
from libs.settings import ServiceSettings
from tests.certificates import Authority, Pair

TENANT = (("x-docuquery-tenant", "acme"),)


class Servicer(rpc.AnswerServiceServicer):
    """Answers, and holds a stream open until told."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def ListPrompts(self, request: Any, context: Any) -> pb.ListPromptsResponse:
        return pb.ListPromptsResponse()

    async def Generate(self, request: Any, context: Any) -> AsyncIterator[pb.GenerateResponse]:
        yield pb.GenerateResponse(text_delta="first")
        await self.go_on.wait()
        yield pb.GenerateResponse(text_delta="last")


@asynccontextmanager
async def secured(
    authority: Authority, pair: Pair, servicer: Servicer | None = None, **fields: Any
) -> AsyncIterator[RunningServer]:
    settings = ServiceSettings(
        _env_file=None,
        tls_cert_file=pair.cert,
        tls_key_file=pair.key,
        tls_ca_file=authority.ca,
        drain_seconds=0,
        drain_notice_seconds=0,
        **fields,
    )
    register = partial(rpc.add_AnswerServiceServicer_to_server, servicer or Servicer())
    registration = ServiceRegistration("docuquery.answer.v1.AnswerService", register)
    async with serve(name="answer", settings=settings, services=[registration]) as server:
        yield server


async def ask(channel: grpc.aio.Channel) -> pb.ListPromptsResponse:
    return await client.unary(
        rpc.AnswerServiceStub(channel).ListPrompts,
        pb.ListPromptsRequest(),
        service="answer",
        timeout_seconds=10,
        metadata=TENANT,
    )


async def calls(server: RunningServer, tls: ClientTls | None) -> bool:
    """Whether a caller with these certificates gets an answer."""
    async with open_channel(server.address, max_message_bytes=2**20, tls=tls) as channel:
        try:
            await ask(channel)
        except DocuQueryError as error:
            return error.reason_name != "SERVICE_UNAVAILABLE"
        return True


async def shown_by(server: RunningServer, authority: Authority, pair: Pair) -> str:
    """The serial number of the certificate the server shows."""

    def connect() -> str:
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(pair.cert, pair.key)
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((server.host, server.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as encrypted,
        ):
            return str((encrypted.getpeercert() or {})["serialNumber"])

    return await asyncio.to_thread(connect)


async def test_only_who_shows_a_certificate_of_the_authority_is_served(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs", "authority")
    member, stranger, late = ours.issue("member"), theirs.issue("member"), ours.issue("late", days=-1)
    async with secured(ours, ours.issue("server")) as server:
        assert await calls(server, ClientTls(ours.ca, member.cert, member.key))
        assert not await calls(server, ClientTls(ours.ca)), "no certificate"
        assert not await calls(server, ClientTls(ours.ca, stranger.cert, stranger.key)), (
            "of another authority"
        )
        assert not await calls(server, ClientTls(ours.ca, late.cert, late.key)), "expired"
        assert not await calls(server, None), "plain text"
        assert not await calls(server, ClientTls(theirs.ca, member.cert, member.key)), "not believed"


async def test_a_server_is_believed_by_the_name_in_its_certificate_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    member = authority.issue("member")
    async with secured(authority, authority.issue("server", hosts=("answer.internal",))) as server:
        known = ClientTls(authority.ca, member.cert, member.key)
        assert not await calls(server, known)
        assert await calls(server, ClientTls(authority.ca, member.cert, member.key, "answer.internal"))


async def test_a_server_shows_its_new_certificate_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    member, pair = authority.issue("member"), authority.issue("server")
    async with secured(authority, pair) as server:
        first = await shown_by(server, authority, member)
        assert await shown_by(server, authority, member) == first
        authority.issue("server")
        second = await shown_by(server, authority, member)
        assert second != first
        pair.key.write_text("half a file")
        assert await shown_by(server, authority, member) == second, "the last good one stays"


async def test_a_channel_goes_over_to_its_new_certificate_and_lets_calls_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    servicer = Servicer()
    member = authority.issue("member")
    async with secured(authority, authority.issue("server"), servicer) as server:
        tls = ClientTls(authority.ca, member.cert, member.key)
        async with open_channel(server.address, max_message_bytes=2**20, tls=tls) as channel:
            assert isinstance(channel, RotatingChannel)
            stub = rpc.AnswerServiceStub(channel)
            call = stub.Generate(pb.GenerateRequest(), metadata=TENANT)
            assert (await call.read()).text_delta == "first"

            member.cert.write_text("half a file")
            channel.refresh()
            await ask(channel)  # by the old one: what is in the files cannot be used

            authority.issue("member", days=-1)
            channel.refresh()
            with pytest.raises(DocuQueryError, match="cannot be reached"):
                await ask(channel)  # by a new connection, which shows the new certificate

            authority.issue("member")
            channel.refresh()
            await channel.channel_ready()
            await ask(channel)
            servicer.go_on.set()
            assert (await call.read()).text_delta == "last"


async def test_probes_have_a_port_without_tls_that_serves_health_only(tmp_path: Path, free_port: int) -> None:
    authority = Authority(tmp_path)
    async with (
        secured(authority, authority.issue("server"), health_port=free_port),
        grpc.aio.insecure_channel(f"127.0.0.1:{free_port}") as channel,
    ):
        reply = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="liveness")
        )
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.AnswerServiceStub(channel).ListPrompts(pb.ListPromptsRequest(), metadata=TENANT)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
