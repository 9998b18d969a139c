"""channelz: what gRPC itself knows of its servers, channels and sockets."""

from __future__ import annotations

from libs.rpc.layered import LayeredServer

SERVICE_NAME = "grpc.channelz.v1.Channelz"


def add_channelz(server: LayeredServer) -> None:
    """Serves it. Raises ValueError where its package is not installed."""
    try:
        from grpc_channelz.v1.channelz import aio
        from grpc_channelz.v1.channelz_pb2_grpc import add_ChannelzServicer_to_server
    except ImportError:
        raise ValueError(
            "CHANNELZ_ENABLED is set, and channelz is not installed: install docuquery[telemetry]"
        ) from None
    add_ChannelzServicer_to_server(aio.ChannelzServicer(), server)
