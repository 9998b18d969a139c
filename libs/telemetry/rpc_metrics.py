"""Rate, errors and duration of every method, as its server sees them (the RED method)."""

from __future__ import annotations

import asyncio

from libs.clock import Clock
from libs.rpc.layered import IncomingCall, Layer
from libs.telemetry.metrics import Counter, Gauge, Histogram

CALLS = Counter(
    "docuquery_rpc_calls", "Calls served, by how they ended.", "service", "method", "code", "reason"
)
DURATION = Histogram("docuquery_rpc_duration_seconds", "From arrival to end of a call.", "service", "method")
IN_FLIGHT = Gauge("docuquery_rpc_in_flight", "Calls being served.", "service", "method")


def metrics_layer(service: str, clock: Clock) -> Layer:
    """Counts and times calls; it stands outside the error layer, so that it sees what the caller gets."""

    async def layer(call: IncomingCall) -> None:
        method = call.method.rpartition("/")[2]
        began = clock.monotonic()
        IN_FLIGHT.add(1, service, method)
        try:
            await call.proceed()
        except asyncio.CancelledError:
            call.status = "CANCELLED"
            raise
        finally:
            IN_FLIGHT.add(-1, service, method)
            CALLS.add(service, method, call.status, call.reason)
            DURATION.observe(clock.monotonic() - began, service, method)

    return layer
