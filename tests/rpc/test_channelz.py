"""channelz: served when it is asked for, listed by reflection, and never shown to strangers."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from libs.rpc.channelz import SERVICE_NAME
from tests.rpc.gateway_support import running
from tests.rpc.test_gateway_identity import KEYS, key, refused

SERVERS = channelz_pb2.GetServersRequest()


async def listed(channel: grpc.aio.Channel) -> list[str]:
    """The services reflection names."""
    reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    answer = await reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="")])).read()
    return [one.name for one in answer.list_services_response.service]


async def test_it_counts_the_calls_and_shows_the_connections_of_the_server() -> None:
    async with (
        running(channelz_enabled=True) as system,
        grpc.aio.insecure_channel(system.address) as channel,
    ):
        assert SERVICE_NAME in await listed(channel)
        for _ in range(3):
            await DocuQueryServiceStub(channel).GetStats(pb.GetStatsRequest())
        channelz = channelz_pb2_grpc.ChannelzStub(channel)
        ours = [
            server
            for server in (await channelz.GetServers(SERVERS)).server
            if int(system.address.rpartition(":")[2]) in await connections(channelz, server)
        ]
        assert len(ours) == 1, "one of the four servers in this process"
        assert ours[0].data.calls_succeeded >= 3


async def connections(channelz: Any, server: channelz_pb2.Server) -> set[int]:
    """The ports of the server's own ends of its connections."""
    request = channelz_pb2.GetServerSocketsRequest(server_id=server.ref.server_id)
    ports = set()
    for ref in (await channelz.GetServerSockets(request)).socket_ref:
        found = await channelz.GetSocket(channelz_pb2.GetSocketRequest(socket_id=ref.socket_id))
        ports.add(found.socket.local.tcpip_address.port)
    return ports


async def test_it_is_off_unless_it_is_asked_for() -> None:
    async with running() as system, grpc.aio.insecure_channel(system.address) as channel:
        assert SERVICE_NAME not in await listed(channel)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channelz_pb2_grpc.ChannelzStub(channel).GetServers(SERVERS)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_gateway_with_keys_shows_it_to_nobody_without_one() -> None:
    async with (
        running(channelz_enabled=True, api_keys=KEYS) as system,
        grpc.aio.insecure_channel(system.address) as channel,
    ):
        channelz = channelz_pb2_grpc.ChannelzStub(channel)
        failure = await refused(channelz.GetServers(SERVERS))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
        assert (await channelz.GetServers(SERVERS, metadata=key("reader"))).server
