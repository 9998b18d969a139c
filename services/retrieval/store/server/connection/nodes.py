"""Calling a Qdrant server or the nodes of a cluster: one of them at a time, the next when it is gone.

The messages and stubs are qdrant-client's; its own client class is left out, since it knows one address
only and rebuilds every answer as validated models, which costs a search more than its round trip.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from qdrant_client.grpc.collections_service_pb2_grpc import CollectionsStub
from qdrant_client.grpc.points_service_pb2_grpc import PointsStub

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.store.server.connection.addresses import Address

log = structlog.get_logger()

_OPTIONS: Sequence[tuple[str, str | int]] = (
    # Facets over a large store and pages of long texts pass the usual 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A restarted node is found again within half a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Notices a node that vanished behind a silent network.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),
)

# How long a call is repeated, on the next node each time. Every call may be: writes either give the same
# result again or are decided by reading back.
_PATIENCE_SECONDS = {
    # Long enough for all other nodes, and for a channel to try again after a restart.
    grpc.StatusCode.UNAVAILABLE: 1.0,
    # What a living node says while the cluster has not yet agreed that another one is dead; that took
    # 0.4 s on an idle machine, 1.4 s on a busy one.
    grpc.StatusCode.INTERNAL: 4.0,
    grpc.StatusCode.UNKNOWN: 4.0,
    grpc.StatusCode.ABORTED: 4.0,
}
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Node:
    target: str
    points: PointsStub
    collections: CollectionsStub


class Nodes:
    """The nodes, of which one is called until it cannot be reached."""

    def __init__(self, nodes: Sequence[_Node], api_key: str, timeout_seconds: float, clock: Clock) -> None:
        self._nodes = nodes
        self._metadata = (("api-key", api_key),) if api_key else ()
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._current = 0

    async def points(self, method: str, request: Any) -> Any:
        """Calls a method of Qdrant's Points service. Raises STORE_UNAVAILABLE."""
        return await self._call("points", method, request)

    async def collections(self, method: str, request: Any) -> Any:
        """Calls a method of Qdrant's Collections service. Raises STORE_UNAVAILABLE."""
        return await self._call("collections", method, request)

    async def _call(self, service: str, method: str, request: Any) -> Any:
        started = self._clock.monotonic()
        while True:
            position = self._current
            node = self._nodes[position]
            left = self._timeout_seconds - (self._clock.monotonic() - started)
            call = getattr(getattr(node, service), method)
            try:
                return await call(request, timeout=max(left, 0.001), metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if position == self._current:  # nobody else moved on meanwhile
                    self._current = (position + 1) % len(self._nodes)
                waited = self._clock.monotonic() - started
                patience = _PATIENCE_SECONDS.get(error.code(), 0.0)
                if waited >= min(patience, self._timeout_seconds):
                    raise _store_unavailable(node.target, method, error) from error
            await self._clock.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def open_nodes(
    addresses: Sequence[Address], api_key: str, timeout_seconds: float, clock: Clock
) -> AsyncIterator[Nodes]:
    """Channels to the nodes, closed on leaving. Connections are made when they are needed, and made anew."""
    async with AsyncExitStack() as stack:
        nodes = []
        for address in addresses:
            channel = (
                grpc.aio.secure_channel(address.target, grpc.ssl_channel_credentials(), options=_OPTIONS)
                if address.is_secure
                else grpc.aio.insecure_channel(address.target, options=_OPTIONS)
            )
            stack.push_async_callback(channel.close)
            nodes.append(_Node(address.target, PointsStub(channel), CollectionsStub(channel)))  # type: ignore[no-untyped-call]  # generated without types
        yield Nodes(nodes, api_key, timeout_seconds, clock)


def _store_unavailable(target: str, method: str, error: grpc.aio.AioRpcError) -> DocuQueryError:
    """What callers hear; what the server said is for the log, since it may quote requests."""
    log.error(
        "store_failed", operation=method, node=target, code=error.code().name, error=error.details() or ""
    )
    return DocuQueryError(
        reasons.ERROR_REASON_STORE_UNAVAILABLE,
        "The document store failed. Try again; if it goes on, look at the retrieval service's log.",
    )
