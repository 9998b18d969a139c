"""Tracing by the OpenTelemetry SDK; imported only where it is turned on."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.telemetry.tracing import AttributeValue, Kind, Span, kind_of

_KINDS = {kind: trace.SpanKind[kind.value] for kind in Kind}
_FLUSH_MILLISECONDS = 3000
"""How long a service that stops waits for its last spans to be sent."""


class _Span:
    """An SDK span that is the current one inside its block.

    Blocks may lie in asynchronous generators that are run and closed by one task, so that entering and
    leaving happen in one context; others take a `_Leaf`.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None

    @property
    def recording(self) -> bool:
        return self._span.is_recording()

    def set(self, name: str, value: AttributeValue) -> None:
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(trace.StatusCode.ERROR)

    def __enter__(self) -> Self:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        # Closing a generator is how whoever has enough of a stream says so.
        if error is not None and not isinstance(error, GeneratorExit):
            word = kind_of(error)
            if word == "cancelled":  # the caller's decision, not a failure
                self._span.set_attribute("error.type", word)
            else:
                self.fail(word)
        if self._token is not None:
            context.detach(self._token)
        self._span.end()


class _Leaf(_Span):
    """An SDK span that never is the current one."""

    __slots__ = ()

    def __enter__(self) -> Self:
        self._token = None
        return self


class OtelTracing:
    """Makes spans and sends them by `exporters`, on threads of the SDK's."""

    def __init__(self, service: str, version: str, environment: str, exporters: list[SpanExporter]) -> None:
        described = {
            "service.name": f"docuquery-{service}",
            "service.version": version,
            "service.instance.id": str(uuid.uuid4()),
            "deployment.environment.name": environment,
        }
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        resource = Resource.create().merge(Resource(described)).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("docuquery", version)
        self._propagator = TraceContextTextMapPropagator()

    def span(self, name: str, kind: Kind, attributes: Mapping[str, AttributeValue]) -> Span:
        """See `Tracing.span`."""
        return _Span(self._tracer.start_span(name, kind=_KINDS[kind], attributes=attributes))

    def leaf(self, name: str, kind: Kind, attributes: Mapping[str, AttributeValue]) -> Span:
        """See `Tracing.leaf`."""
        return _Leaf(self._tracer.start_span(name, kind=_KINDS[kind], attributes=attributes))

    def past(self, name: str, seconds: float, ended_seconds_ago: float) -> None:
        """See `Tracing.past`."""
        end = time.time_ns() - round(ended_seconds_ago * 1e9)
        self._tracer.start_span(name, start_time=end - round(seconds * 1e9)).end(end)

    def from_caller(self, name: str, metadata: Mapping[str, str]) -> Span:
        """See `Tracing.from_caller`."""
        parent = self._propagator.extract(metadata, Context())
        return _Span(
            self._tracer.start_span(
                name,
                parent,
                trace.SpanKind.SERVER,
                {"rpc.system.name": "grpc", "rpc.method": name},
            )
        )

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        """See `Tracing.outgoing`."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return tuple(carrier.items())

    def ids(self) -> Mapping[str, str]:
        """See `Tracing.ids`."""
        found = trace.get_current_span().get_span_context()
        if not found.is_valid:
            return {}
        return {"trace_id": format(found.trace_id, "032x"), "span_id": format(found.span_id, "016x")}

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        self._provider.force_flush(_FLUSH_MILLISECONDS)
        self._provider.shutdown()


def exporters_from_environment() -> list[SpanExporter]:
    """What OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_* ask for. Raises ValueError for names not known."""
    made: list[SpanExporter] = []
    for name in os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        match name.strip():
            case "otlp":
                made.append(_otlp())
            case "console":
                from opentelemetry.sdk.trace.export import ConsoleSpanExporter

                made.append(ConsoleSpanExporter())
            case "none" | "":
                continue
            case unknown:
                raise ValueError(f"OTEL_TRACES_EXPORTER={unknown} is not known here: otlp, console or none")
    return made


def _otlp() -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc

        return ByGrpc()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp

        return ByHttp()
    raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not known here: grpc or http/protobuf")
