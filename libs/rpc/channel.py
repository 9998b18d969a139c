"""The one way a service opens a channel to another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc

# round_robin over every address behind the name, leaving out those that say NOT_SERVING.
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }
)


def channel_options(max_message_bytes: int) -> Sequence[tuple[str, str | int]]:
    """Channel arguments; times in milliseconds."""
    return (
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.service_config", _SERVICE_CONFIG),
        # A restarted service is found again within a second.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Notices a dead peer behind a silent network; the server permits 10 s (see server.py).
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Without this, channels to one target share a connection across event loops in tests.
        ("grpc.use_local_subchannel_pool", 1),
    )


@asynccontextmanager
async def open_channel(target: str, *, max_message_bytes: int) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `target` (`host:port` or any gRPC name), closed on leaving."""
    channel = grpc.aio.insecure_channel(target, options=channel_options(max_message_bytes))
    try:
        yield channel
    finally:
        await channel.close()
