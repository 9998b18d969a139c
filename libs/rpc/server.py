"""The one way a service is served: layers, health, reflection, limits, and a graceful end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc

from libs.clock import Clock, SystemClock
from libs.rpc.about import about_layer
from libs.rpc.channelz import SERVICE_NAME as CHANNELZ
from libs.rpc.channelz import add_channelz
from libs.rpc.context import trusted_tenant
from libs.rpc.drain import Drain
from libs.rpc.health import Health
from libs.rpc.layered import Gate, Layer, LayeredServer, UnknownMethods
from libs.rpc.layers import (
    IdentityResolver,
    deadline_layer,
    door_layer,
    error_layer,
    identity_layer,
    logging_layer,
    request_id_layer,
)
from libs.rpc.reflection import add_reflection
from libs.rpc.tls import server_credentials
from libs.rpc.tls_files import ServerTls
from libs.settings import ServiceSettings
from libs.telemetry import tracing
from libs.telemetry.rpc_metrics import CALLS, metrics_layer
from libs.telemetry.rpc_tracing import tracing_layer
from libs.version import program_version

log = structlog.get_logger()

_BACKLOG = "grpc.server.max_pending_requests"


@dataclass(frozen=True, slots=True)
class ServiceRegistration:
    """A gRPC service and how it joins a server."""

    full_name: str
    """For example `docuquery.ingest.v1.IngestService`."""
    register: Callable[[LayeredServer], None]
    """For example `partial(add_IngestServiceServicer_to_server, servicer)`."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A started server."""

    name: str
    host: str
    port: int
    health: Health

    @property
    def address(self) -> str:
        """`host:port`, as a client dials it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _options(settings: ServiceSettings, backlog: int) -> Sequence[tuple[str, int]]:
    # gRPC spreads it by a tenth, and lets calls under way end in their own time.
    age = settings.max_connection_age_seconds
    return (
        *([("grpc.max_connection_age_ms", round(age * 1000))] if age else []),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # A second process on the same port must fail, not share it.
        ("grpc.so_reuseport", 0),
        # Between the two numbers more and more are turned away, at the second all.
        *([(_BACKLOG, backlog), (f"{_BACKLOG}_hard_limit", 2 * backlog)] if backlog else []),
        # Clients ping every 12 s (see channel.py); this is what is still tolerated.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    )


def _listen(server: grpc.aio.Server, host: str, port: int, tls: ServerTls | None) -> int:
    """Binds the server; returns the port. Raises OSError when it is taken."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, server_credentials(tls))
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: is another process using it?") from error


@asynccontextmanager
async def serve(
    *,
    name: str,
    settings: ServiceSettings,
    services: Sequence[ServiceRegistration],
    resolve_identity: IdentityResolver = trusted_tenant,
    check_infrastructure: Callable[[str, dict[str, str]], None] | None = None,
    clock: Clock | None = None,
    default_deadline_seconds: float | None = 60.0,
    longest_seconds: Mapping[str, float] | None = None,
    report_seconds: float = 0.0,
    extra_layers: Sequence[Layer] = (),
    gate: Gate | None = None,
    backlog: int = 0,
    ready: bool = True,
    tells_version: bool = True,
) -> AsyncIterator[RunningServer]:
    """Serves `services` on `settings.host:settings.port` until the block is left, then drains.

    `default_deadline_seconds` applies to calls without a deadline, except those that stream requests;
    `longest_seconds`, by full method name, to all calls of a method; `report_seconds` are set aside of what a
    caller allows, so that it still hears why its call failed.
    `extra_layers` run innermost, when the caller is known; `gate` is asked before everything.
    `backlog` calls, and up to twice as many, may wait in gRPC's own queue for the gate; more it turns away by
    itself, with CANCELLED and without a reason. 0: gRPC's default, 1,000.
    `check_infrastructure` is asked before calls of health and reflection with their method and metadata, and
    raises to refuse them; None: they are open. `ready`: what the readiness check says at first.
    `tells_version`: to whoever checks its health. Raises OSError when the port is taken.
    """
    clock = clock or SystemClock()
    drain = Drain(clock)
    layers: list[Layer] = [
        drain.counting_layer,  # outermost: a call counts until its last log line is written
        request_id_layer(drain.is_refusing),  # before logging: every line carries the id
        *([tracing_layer] if tracing.is_on() else []),  # before logging: every line carries its ids, too
        *([metrics_layer(name, clock)] if CALLS.is_on else []),  # counts the status the caller gets
        logging_layer(clock),  # outside the error layer: it logs the status the caller gets
        error_layer,  # around everything that may refuse a call
        drain.refusing_layer,  # before any work
        # Time runs from the start.
        deadline_layer(clock, default_deadline_seconds, longest_seconds, report_seconds),
        identity_layer(resolve_identity),  # last: it completes what `current_call` returns
        *extra_layers,
    ]
    server = grpc.aio.server(options=_options(settings, backlog))
    layered = LayeredServer(server, layers, gate)
    for service in services:
        service.register(layered)
    names = [service.full_name for service in services]
    health = Health(names, ready=ready)
    # Neither logged nor drained: probes would fill the log, and a watch never ends by itself.
    door: list[Layer] = [about_layer(clock, program_version() if tells_version else "")]
    if check_infrastructure is not None:
        door += [request_id_layer(), error_layer, door_layer(check_infrastructure)]
    infrastructure = LayeredServer(server, door)
    health_pb2_grpc.add_HealthServicer_to_server(
        health.servicer,
        infrastructure,  # type: ignore[arg-type]  # which stands in for a server
    )
    shown = [*names, "grpc.health.v1.Health"]
    if settings.channelz_enabled:
        add_channelz(infrastructure)
        shown.append(CHANNELZ)
    if settings.reflection_enabled:
        add_reflection(shown, infrastructure)
    server.add_generic_rpc_handlers((UnknownMethods(),))  # last: it takes what nobody else does

    port = _listen(server, settings.host, settings.port, settings.server_tls)
    running = RunningServer(name, settings.host, port, health)
    await health.start()
    await server.start()
    probes = await _serve_health(health, settings)
    await health.set_serving(True)
    log.info("serving", address=running.address, tls=settings.server_tls is not None)
    try:
        yield running
    finally:
        await health.set_serving(False)
        await drain.let_callers_leave(settings.drain_notice_seconds)
        if not await drain.finish(settings.drain_seconds):
            log.warning("drain_timeout", grace_seconds=settings.drain_seconds)
        await server.stop(None)
        if probes is not None:
            await probes.stop(None)
        log.info("stopped")


async def _serve_health(health: Health, settings: ServiceSettings) -> grpc.aio.Server | None:
    """The same health checks on a port of their own, without TLS, where that is wanted."""
    if not settings.health_port:
        return None
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    _listen(server, settings.health_host, settings.health_port, None)
    await server.start()
    return server
