"""The one way a service opens a channel to another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc

from libs.background import beside
from libs.clock import SystemClock
from libs.rpc.rotating import RotatingChannel
from libs.rpc.targets import dial_target
from libs.rpc.tls import channel_credentials
from libs.rpc.tls_files import ClientTls, signature

# A replica that was killed, or refused a call because it is shutting down: another one may do it at once.
# CANCELLED comes from a server that drops its calls at its very end; our own cancelling is never retried.
_RETRIED = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
# A failure costs a token, a success earns a fifth of one; with half of them gone nothing is retried, because
# when most calls fail, retrying makes it worse.
_RETRY_BUDGET = {"maxTokens": 20, "tokenRatio": 0.2}


def service_config(retried: Sequence[str]) -> str:
    """The channel's service config as JSON: balancing, health checks, and which methods are retried."""
    config: dict[str, Any] = {
        # Over every address behind the name, leaving out those that say NOT_SERVING.
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }
    if retried:
        names = [
            dict(zip(("service", "method"), full.strip("/").split("/"), strict=True)) for full in retried
        ]
        config["methodConfig"] = [{"name": names, "retryPolicy": _RETRIED}]
        config["retryThrottling"] = _RETRY_BUDGET
    return json.dumps(config)


def channel_options(max_message_bytes: int, retried: Sequence[str] = ()) -> Sequence[tuple[str, str | int]]:
    """Channel arguments; times in milliseconds."""
    return (
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.service_config", service_config(retried)),
        # A restarted service is found again within half a second, a new address behind a name within two.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 400),
        # So long one attempt to connect may take: a busy machine needs more than a quick one.
        ("grpc.min_reconnect_backoff_ms", 2000),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        # A peer that is there and says nothing (paused, or behind a dead network) is given up after these
        # two together. The server permits a ping every 10 s (see server.py).
        ("grpc.keepalive_time_ms", 12_000),
        ("grpc.keepalive_timeout_ms", 3000),
        # It waits for the longer of these two (by itself a minute), and sends a peer that gets no data two
        # pings and then one a minute.
        ("grpc.http2.ping_timeout_ms", 3000),
        ("grpc.http2.max_pings_without_data", 0),
        # Without this, channels to one target share a connection across event loops in tests.
        ("grpc.use_local_subchannel_pool", 1),
        # Between our own services there is no proxy, whatever the environment says.
        ("grpc.enable_http_proxy", 0),
    )


@asynccontextmanager
async def open_channel(
    target: str, *, max_message_bytes: int, retried: Sequence[str] = (), tls: ClientTls | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `target` (see `dial_target`), closed on leaving; encrypted when `tls` is given.

    `retried` names methods in full (`/package.Service/Method`) that gRPC itself may send again when a replica
    does not take them: idempotent reads only. A service that raised an error of its own is never asked again
    (see abort.py). Raises ValueError when `target` is faulty or a certificate cannot be used.
    """
    address, options = dial_target(target), channel_options(max_message_bytes, retried)
    if tls is None:
        channel = grpc.aio.insecure_channel(address, options=options)
        try:
            yield channel
        finally:
            await channel.close()
        return
    if tls.server_name:
        options = (*options, ("grpc.ssl_target_name_override", tls.server_name))
    rotating = RotatingChannel(
        lambda: grpc.aio.secure_channel(address, channel_credentials(tls), options=options),
        partial(signature, tls.paths),
    )
    try:
        async with beside("certificates", partial(rotating.follow, SystemClock())):
            yield rotating
    finally:
        await rotating.close()
