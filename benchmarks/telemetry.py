"""What telemetry costs a call: `python -m benchmarks.telemetry`.

CPU time of this process for a short unary call over loopback, client and server together: beside a bare
server, the layers every service has, with metrics and traces off and on. The settings take turns, and the
median of the rounds counts, so that a busy machine disturbs all of them alike. Log lines are made and
thrown away. Spans are made and handed to an exporter that drops them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import grpc
import uvloop
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from docuquery.answer.v1 import answer_service_pb2 as pb
from docuquery.answer.v1 import answer_service_pb2_grpc as rpc
from libs.logging import configure_logging
from libs.rpc.server import ServiceRegistration, serve
from libs.settings import ServiceSettings
from libs.telemetry import metrics, tracing
from libs.telemetry.metrics import Counter, Histogram
from libs.telemetry.otel import OtelTracing

_METADATA = (("x-docuquery-tenant", "acme"), ("x-request-id", "benchmark"))
_WARM_UP = 200

COUNTED = Counter("benchmark_counted", "Counted by the benchmark.", "a", "b")
TIMED = Histogram("benchmark_timed_seconds", "Timed by the benchmark.", "a")


class _Servicer(rpc.AnswerServiceServicer):
    async def ListPrompts(self, request: Any, context: Any) -> pb.ListPromptsResponse:  # noqa: ARG002
        return pb.ListPromptsResponse()


class _Dropping(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


@asynccontextmanager
async def _bare() -> AsyncIterator[str]:
    server = grpc.aio.server()
    rpc.add_AnswerServiceServicer_to_server(_Servicer(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def _ours(*, measured: bool, traced: bool) -> AsyncIterator[str]:
    settings = ServiceSettings(_env_file=None, drain_seconds=0, drain_notice_seconds=0)
    registration = ServiceRegistration(
        "docuquery.answer.v1.AnswerService",
        partial(rpc.add_AnswerServiceServicer_to_server, _Servicer()),  # type: ignore[abstract]
    )
    spans = OtelTracing("answer", "0", "development", [_Dropping()]) if traced else None
    if measured:
        metrics.turn_on(CollectorRegistry())
    tracing.use(spans)
    try:
        async with serve(name="answer", settings=settings, services=[registration]) as server:
            yield server.address
    finally:
        metrics.turn_off()
        tracing.use(None)
        if spans is not None:
            spans.close()


_KINDS: dict[str, Callable[[], AbstractAsyncContextManager[str]]] = {
    "bare gRPC server": _bare,
    "our layers, telemetry off": partial(_ours, measured=False, traced=False),
    "with metrics": partial(_ours, measured=True, traced=False),
    "with traces": partial(_ours, measured=False, traced=True),
    "with both": partial(_ours, measured=True, traced=True),
}


async def _microseconds_per_call(
    open_server: Callable[[], AbstractAsyncContextManager[str]], calls: int
) -> float:
    async with open_server() as address, grpc.aio.insecure_channel(address) as channel:
        call = rpc.AnswerServiceStub(channel).ListPrompts
        request = pb.ListPromptsRequest()
        for _ in range(_WARM_UP):
            await call(request, metadata=_METADATA)
        began = time.process_time()
        for _ in range(calls):
            await call(request, metadata=_METADATA)
        return (time.process_time() - began) / calls * 1e6


async def _compare(rounds: int, calls: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in _KINDS}
    for _ in range(rounds):
        for name, open_server in _KINDS.items():
            taken[name].append(await _microseconds_per_call(open_server, calls))
    return {name: statistics.median(values) for name, values in taken.items()}


def _nanoseconds(work: Callable[[], object], times: int = 200_000) -> float:
    began = time.process_time_ns()
    for _ in range(times):
        work()
    return (time.process_time_ns() - began) / times


def _instruments() -> None:
    def span() -> None:
        with tracing.span("a"):
            pass

    print("\n| | off, ns | on, ns |\n|---|---|---|")
    off = [_nanoseconds(lambda: COUNTED.add("x", "y")), _nanoseconds(lambda: TIMED.observe(0.1, "x"))]
    off.append(_nanoseconds(span))
    metrics.turn_on(CollectorRegistry())
    on = [_nanoseconds(lambda: COUNTED.add("x", "y")), _nanoseconds(lambda: TIMED.observe(0.1, "x"))]
    metrics.turn_off()
    spans = OtelTracing("answer", "0", "development", [_Dropping()])
    tracing.use(spans)
    on.append(_nanoseconds(span, 20_000))
    tracing.use(None)
    spans.close()
    for name, without, with_ in zip(("count one", "observe a duration", "a span"), off, on, strict=True):
        print(f"| {name} | {without:.0f} | {with_:.0f} |")


def main() -> None:
    """Prints both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the log lines of every call
    configure_logging("INFO", "json", "answer")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        medians = runner.run(_compare(options.rounds, options.calls))
    base = medians["our layers, telemetry off"]
    print("| | CPU a call, µs | more than with telemetry off, µs |\n|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.0f} | {value - base:+.0f} |")
    _instruments()


if __name__ == "__main__":
    main()
