"""The steps of a piece of work: each a span in traces and a duration in metrics, marked once."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from libs.telemetry import tracing
from libs.telemetry.metrics import Histogram
from libs.telemetry.tracing import NO_SPAN, AttributeValue, Span


class Stages:
    """Marks stages by name; `histogram` has the one label `stage`."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    @property
    def is_on(self) -> bool:
        """Whether durations are collected."""
        return self._histogram.is_on

    def __call__(self, stage: str, /, **attributes: AttributeValue) -> Span:
        """The stage, to be entered. Nothing at all while both metrics and traces are off."""
        span = tracing.span(stage, **attributes) if tracing.is_on() else NO_SPAN
        return _Timed(stage, span, self._histogram) if self._histogram.is_on else span


class _Timed:
    """A span whose duration is counted, too; one that failed as well: slow failures are the worst."""

    __slots__ = ("_began", "_histogram", "_span", "_stage")

    def __init__(self, stage: str, span: Span, histogram: Histogram) -> None:
        self._stage = stage
        self._span = span
        self._histogram = histogram

    @property
    def recording(self) -> bool:
        return self._span.recording

    def set(self, name: str, value: AttributeValue) -> None:
        self._span.set(name, value)

    def fail(self, kind: str) -> None:
        self._span.fail(kind)

    def __enter__(self) -> Self:
        self._span.__enter__()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._histogram.observe(time.perf_counter() - self._began, self._stage)
        self._span.__exit__(kind, error, trace)
