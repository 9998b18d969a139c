"""What a server says of itself with every health check: its version, and what its clock shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from libs.clock import Clock
from libs.rpc.layered import IncomingCall, Layer

_VERSION, _TIME = "x-docuquery-version", "x-docuquery-time"


@dataclass(frozen=True, slots=True)
class About:
    """A server, in its own words; what it does not say is empty or None."""

    version: str = ""
    unix_seconds: float | None = None
    """Its clock when it answered."""


def about_layer(clock: Clock, version: str) -> Layer:
    """Adds both to the trailers of health checks; an empty version is not told."""

    async def layer(call: IncomingCall) -> None:
        if call.method.startswith("/grpc.health."):
            told = ((_TIME, f"{clock.now().timestamp():.3f}"), *([(_VERSION, version)] if version else []))
            call.context.set_trailing_metadata(told)
        await call.proceed()

    return layer


def about_from(trailers: Iterable[tuple[str, Any]] | None) -> About:
    """What a server's trailers say; values that make no sense count as not told."""
    found = {key: value for key, value in trailers or () if isinstance(value, str)}
    try:
        seconds = float(found[_TIME])
    except (KeyError, ValueError):
        seconds = None
    return About(found.get(_VERSION, "")[:64], seconds)
