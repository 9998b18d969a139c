"""Turning telemetry on for a process, as its settings and OpenTelemetry's variables say."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import structlog
from dotenv import dotenv_values

from libs.background import beside
from libs.certificates import read_certificate
from libs.clock import SystemClock
from libs.settings import ServiceSettings
from libs.telemetry import tracing
from libs.telemetry.loop_lag import measure_lag
from libs.telemetry.metrics import Gauge
from libs.version import program_version

log = structlog.get_logger()

BUILD = Gauge(
    "docuquery_build_info", "Always 1: what runs here.", "service", "version", "python", "environment"
)

CERTIFICATE_END = Gauge(
    "docuquery_tls_certificate_end_timestamp_seconds", "When a certificate expires.", "service", "file"
)

_OTEL = "OTEL_"


@asynccontextmanager
async def telemetry(service: str, settings: ServiceSettings) -> AsyncIterator[None]:
    """Metrics and traces inside the block, where they are wanted.

    Raises OSError when the metrics port is taken, ValueError when traces are wanted and cannot be made.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_traces(service, settings.environment))
        if settings.metrics_port:
            await stack.enter_async_context(_metrics(service, settings))
        yield


@asynccontextmanager
async def _metrics(service: str, settings: ServiceSettings) -> AsyncIterator[None]:
    from libs.telemetry.scrape import MetricsPort

    port = MetricsPort(settings.metrics_host, settings.metrics_port, asyncio.get_running_loop())
    BUILD.set(1, service, program_version(), platform.python_version(), settings.environment)
    for tls in (settings.server_tls, settings.client_tls):
        if tls is not None and tls.cert is not None:
            CERTIFICATE_END.follow(partial(_end_of, tls.cert), service, tls.cert.name)
    log.info("metrics", address=f"{settings.metrics_host}:{settings.metrics_port}")
    try:
        async with beside("loop_lag", partial(measure_lag, service, SystemClock())):
            yield
    finally:
        await asyncio.to_thread(port.close)


def _end_of(path: Path) -> float:
    try:
        return read_certificate(path).not_after.timestamp()
    except (OSError, ValueError):
        return 0.0  # long ago: what cannot be read will not be shown either


@contextmanager
def _traces(service: str, environment: str) -> Iterator[None]:
    adopt_otel_variables()
    if not wants_traces(os.environ):
        yield
        return
    try:
        from libs.telemetry.otel import OtelTracing, exporters_from_environment
    except ImportError:
        raise ValueError(
            "traces are asked for by OTEL_* variables, and OpenTelemetry is not installed: "
            "install docuquery[telemetry], or set OTEL_SDK_DISABLED=true"
        ) from None
    made = OtelTracing(service, program_version(), environment, exporters_from_environment())
    tracing.use(made)
    log.info("traces", content=tracing.captures_content(os.environ))
    try:
        yield
    finally:
        tracing.use(None)
        made.close()


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables ask for traces: an exporter or an endpoint is named."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    if exporter:
        return exporter != "none"
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environment.get(name) for name in endpoints)


def adopt_otel_variables() -> None:
    """Makes OTEL_* lines of `.env` variables of the environment, where the SDK looks; those there win."""
    for name, value in dotenv_values(".env").items():
        if name.startswith(_OTEL) and value:
            os.environ.setdefault(name, value)
