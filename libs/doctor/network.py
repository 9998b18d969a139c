"""Checks of what is reached over the network: our own services, and others by their address."""

from __future__ import annotations

import asyncio
import errno
import socket
from urllib.parse import urlsplit

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from libs.clock import Clock
from libs.doctor.finding import Finding, error, ok, warning
from libs.rpc.about import About, about_from
from libs.rpc.channel import open_channel
from libs.rpc.tls_files import ClientTls

_SECONDS = 3.0
_SKEW_WARNING_SECONDS = 2.0
_SKEW_ERROR_SECONDS = 30.0
_DEFAULT_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}


async def service(
    name: str, target: str, tls: ClientTls | None, own_version: str, clock: Clock
) -> list[Finding]:
    """Whether one of our services answers at `target`, runs this version, and shares our clock."""
    began = clock.now().timestamp()
    try:
        serving, about = await _ask(target, tls)
    except grpc.aio.AioRpcError as failure:
        return [_unreachable(name, target, failure, encrypted=tls is not None)]
    except (ValueError, OSError) as failure:
        return [error("reach", f"{name} cannot be called at {target}: {failure}", "Correct the setting.")]
    now = clock.now().timestamp()
    found = [
        ok("reach", f"{name} serves at {target}")
        if serving
        else error("reach", f"{name} at {target} answers, and is not serving", "Look into its log.")
    ]
    if about.version and about.version != own_version:
        found.append(
            warning(
                "version",
                f"{name} runs version {about.version}, this is {own_version}",
                "Expected during an upgrade; otherwise bring both to one version.",
            )
        )
    elif about.version:
        found.append(ok("version", f"{name} runs version {about.version}, as this"))
    if about.unix_seconds is not None:
        found.append(skew(name, about.unix_seconds, began, now))
    return found


async def _ask(target: str, tls: ClientTls | None) -> tuple[bool, About]:
    async with open_channel(target, max_message_bytes=2**20, tls=tls) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        call = check(HealthCheckRequest(), timeout=_SECONDS)
        reply = await call
        return reply.status == HealthCheckResponse.SERVING, about_from(await call.trailing_metadata())


def _unreachable(name: str, target: str, failure: grpc.aio.AioRpcError, *, encrypted: bool) -> Finding:
    details = (failure.details() or failure.code().name).rpartition("last error: ")[2][:200]
    advice = "Start it, or correct its address and what lies between (network policies, firewalls)."
    if encrypted:
        advice += " It must speak TLS, show a certificate of TLS_CA_FILE for this name, and believe ours."
    return error("reach", f"{name} does not answer at {target} ({details})", advice)


def skew(name: str, theirs: float, asked: float, answered: float) -> Finding:
    """How far a clock is from ours; what the way takes is on nobody's account. All in unix seconds."""
    off = max(0.0, asked - theirs, theirs - answered)
    message = f"the clock of {name} is {off:.1f} s from ours"
    if off > _SKEW_ERROR_SECONDS:
        advice = "Set both by NTP: leases, certificates and rate limits go by the clock."
        return error("clock", message, advice)
    if off > _SKEW_WARNING_SECONDS:
        return warning("clock", message, "Set both by NTP.")
    return ok("clock", message)


async def port(
    host: str, number: int, what: str, variable: str, tls: ClientTls | None, clock: Clock
) -> Finding:
    """Whether a service could listen here, or does already."""
    if number == 0:
        return ok("port", f"{what} takes any free port")
    dialled = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host.strip("[]"), number), family=family).close()
    except OSError as failure:
        if failure.errno != errno.EADDRINUSE:
            return error(
                "port",
                f"{what} cannot listen on {host}:{number} ({failure.strerror})",
                f"Correct {variable}.",
            )
        address = f"[{dialled}]:{number}" if ":" in dialled else f"{dialled}:{number}"
        found = await service(what, address, tls, "", clock)
        if found[0].level == "ok":
            return ok("port", f"{what} is running on {host}:{number}")
        message = f"another program listens on {host}:{number}, where {what} should"
        advice = f"Stop it, or set {variable}."
        if tls is not None:
            message += f", or {what} with another certificate than these settings name"
            advice += f" If it is {what}, examine it alone, with its own settings: --service {what}."
        return error("port", message, advice)
    return ok("port", f"{host}:{number} is free for {what}, which is not running here")


async def address(what: str, url: str, advice: str) -> Finding:
    """Whether anybody accepts connections at a URL's host and port. Nothing is asked, no key is sent."""
    parts = urlsplit(url)
    host, number = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 443)
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, number)
        writer.close()
    except (OSError, TimeoutError) as failure:
        said = getattr(failure, "strerror", None) or "no answer in time"
        return error("reach", f"{what} cannot be reached at {host}:{number} ({said})", advice)
    return ok("reach", f"{what} accepts connections at {host}:{number}")
