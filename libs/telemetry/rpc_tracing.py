"""The span of a call on its server."""

from __future__ import annotations

import asyncio

import structlog

from libs.rpc.layered import IncomingCall
from libs.telemetry import tracing

# Statuses that are the server's fault, by the semantic conventions for gRPC.
_SERVER_ERRORS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)


async def tracing_layer(call: IncomingCall) -> None:
    """Continues the caller's trace or begins one, and puts its ids into every log line of the call.

    It stands outside the error layer: what is raised there is a status already, and only some are failures.
    """
    span = tracing.server_span(call.method.lstrip("/"), call.metadata)
    span.__enter__()
    structlog.contextvars.bind_contextvars(**tracing.ids())
    try:
        await call.proceed()
    except asyncio.CancelledError:
        call.status = "CANCELLED"
        raise
    finally:
        if span.recording:
            span.set("docuquery.request_id", call.request_id)
            span.set("rpc.response.status_code", call.status)
            if call.status in _SERVER_ERRORS:
                span.fail(call.reason or call.status)
            elif call.status != "OK":
                span.set("error.type", call.reason or call.status)
        span.__exit__(None, None, None)
