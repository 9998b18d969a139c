"""Spans: `with span("embed") as s: ...` anywhere inside a call; nothing at all while tracing is off.

One trace shows a question through all four services: the W3C `traceparent` of the caller is taken from a
call's metadata and sent along with every call made meanwhile. Attributes never hold what people wrote,
asked or were answered, unless the operator asks for it (see `captures_content`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, Self

AttributeValue = str | bool | int | float | list[str]

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"


class Kind(Enum):
    """Where the other end of a span is, in OpenTelemetry's words."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"


class Span(Protocol):
    """A piece of work: a context manager; what is raised inside makes it a failure."""

    @property
    def recording(self) -> bool:
        """Whether attributes are kept; asked before making one is work."""
        ...

    def set(self, name: str, value: AttributeValue) -> None:
        """Sets an attribute."""
        ...

    def fail(self, kind: str) -> None:
        """Marks the span as failed; `kind` is one of few words: a reason, a class of exceptions."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracing(Protocol):
    """What makes spans."""

    def span(self, name: str, kind: Kind, attributes: Mapping[str, AttributeValue]) -> Span:
        """A span below the current one, to be entered."""
        ...

    def leaf(self, name: str, kind: Kind, attributes: Mapping[str, AttributeValue]) -> Span:
        """A span below the current one that does not become the current one itself."""
        ...

    def past(self, name: str, seconds: float, ended_seconds_ago: float) -> None:
        """A span below the current one that is over."""
        ...

    def from_caller(self, name: str, metadata: Mapping[str, str]) -> Span:
        """The server's span of a call, below the caller's if its metadata names one."""
        ...

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        """The metadata that makes a call's spans children of the current one."""
        ...

    def ids(self) -> Mapping[str, str]:
        """`trace_id` and `span_id` of the current span, for log lines."""
        ...


class _NoSpan:
    recording = False

    def set(self, name: str, value: AttributeValue) -> None: ...

    def fail(self, kind: str) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


NO_SPAN: Span = _NoSpan()

CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_tracing: Tracing | None = None


def use(tracing: Tracing | None) -> None:
    """Makes spans by `tracing` from now on; None: none."""
    global _tracing  # the one switch of the process, like that of the log
    _tracing = tracing


def captures_content(environment: Mapping[str, str]) -> bool:
    """Whether the operator wants prompts and answers in spans, by OpenTelemetry's own variable."""
    return environment.get(CAPTURE_CONTENT, "").strip().upper() in {"TRUE", "SPAN_ONLY", "SPAN_AND_EVENT"}


def is_on() -> bool:
    """Whether spans are made."""
    return _tracing is not None


def span(name: str, kind: Kind = Kind.INTERNAL, /, **attributes: AttributeValue) -> Span:
    """A span below the current one. Attributes are written with `__` for `.`: `gen_ai__operation__name`."""
    return NO_SPAN if _tracing is None else _tracing.span(name, kind, _dotted(attributes))


def leaf(name: str, kind: Kind = Kind.INTERNAL, /, **attributes: AttributeValue) -> Span:
    """A span that nothing is below: for generators whose steps may be run by different tasks.

    The current span belongs to a task's context: what one step makes current another would not find.
    """
    return NO_SPAN if _tracing is None else _tracing.leaf(name, kind, _dotted(attributes))


def _dotted(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {key.replace("__", "."): value for key, value in attributes.items()}


def past_span(name: str, seconds: float, *, ended_seconds_ago: float = 0.0) -> None:
    """A span of work that was timed by itself, in a worker process or piece by piece."""
    if _tracing is not None:
        _tracing.past(name, seconds, ended_seconds_ago)


def server_span(method: str, metadata: Mapping[str, str]) -> Span:
    """The span of a call being served."""
    return NO_SPAN if _tracing is None else _tracing.from_caller(method, metadata)


def client_span(method: str) -> Span:
    """The span of a call to another service; `method` in full, without the first slash."""
    if _tracing is None:
        return NO_SPAN
    return _tracing.span(method, Kind.CLIENT, {"rpc.system.name": "grpc", "rpc.method": method})


def outgoing() -> tuple[tuple[str, str], ...]:
    """Metadata for a call made inside the current span; empty while tracing is off."""
    return () if _tracing is None else _tracing.outgoing()


def ids() -> Mapping[str, str]:
    """`trace_id` and `span_id` for log lines; empty while tracing is off."""
    return {} if _tracing is None else _tracing.ids()


def kind_of(error: BaseException) -> str:
    """One of few words for what went wrong: our reason, or the class of the exception."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "cancelled"
    reason: Any = getattr(error, "reason_name", None)
    return reason if isinstance(reason, str) else type(error).__name__
