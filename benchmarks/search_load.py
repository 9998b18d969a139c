"""Asking a running stack: one caller after the other, many at once, and while documents come in."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.health_watch import watched_health
from benchmarks.processes import watched
from benchmarks.texts import document
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.supervision import Stack
from docuquery_client.upload_files import UploadFile

IN_FLIGHT = 16
_WARM_UP = 50
_SINGLE = 400
_UPLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        """The percentiles of some measured times."""
        cuts = statistics.quantiles(seconds, n=100)
        return cls(*(round(cuts[percent - 1] * 1e3, 2) for percent in (50, 95, 99)))

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.1f}  p95 {self.p95_ms:.1f}  p99 {self.p99_ms:.1f} ms"


@dataclass(frozen=True, slots=True)
class Load:
    """What 16 callers at once saw, and what it took."""

    per_second: float
    latency: Latency
    health_check: Latency
    """Of retrieval: the lag of its event loop."""
    cpu_ms_per_search: dict[str, float]
    """Of each process, uploads included while there are any; `client` is the measuring one."""
    documents_per_second: float = 0.0
    """Indexed meanwhile."""


async def one_caller(client: AsyncDocuQuery, asked: Iterator[str], *, rerank: bool) -> Latency:
    """The latency of searches one after the other, after some to warm up."""
    for _ in range(_WARM_UP):
        await client.search(next(asked), rerank=rerank)
    return Latency.of([await _seconds_of(client, next(asked), rerank=rerank) for _ in range(_SINGLE)])


async def under_load(
    client: AsyncDocuQuery,
    stack: Stack,
    store_pids: dict[str, int],
    health_port: int,
    asked: Iterator[str],
    seconds: float,
) -> Load:
    """Asks with 16 callers at once; on `health_port`, retrieval's, checks do not wait behind searches."""
    latencies: list[float] = []
    pids = {name: process.pid for name, process in stack.processes.items()} | store_pids
    async with watched_health(f"127.0.0.1:{health_port}") as checks, watched(pids) as usage:
        started, cpu = time.perf_counter(), time.process_time()

        async def ask() -> None:
            while time.perf_counter() < started + seconds:
                latencies.append(await _seconds_of(client, next(asked)))

        await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    used = usage.cpu_seconds | {"client": cpu}
    return Load(
        per_second=round(len(latencies) / took, 1),
        latency=Latency.of(latencies),
        health_check=Latency.of(checks),
        cpu_ms_per_search={name: round(of / len(latencies) * 1e3, 2) for name, of in used.items()},
    )


async def _seconds_of(client: AsyncDocuQuery, question: str, *, rerank: bool = False) -> float:
    started = time.perf_counter()
    await client.search(question, rerank=rerank)
    return time.perf_counter() - started


@asynccontextmanager
async def uploading(gateway: str, sentences: list[str], folder: Path) -> AsyncIterator[list[float]]:
    """Uploads documents, four at a time, while the block runs; collects when each was indexed."""
    indexed: list[float] = []

    async def upload() -> None:
        rng = random.Random()
        number = 0
        async with AsyncDocuQuery(gateway) as client:
            while True:
                files = []
                for _ in range(_UPLOADS_AT_ONCE * 4):
                    number += 1
                    path = folder / f"meanwhile-{rng.random()}-{number}.txt"
                    path.write_text(document(sentences, rng))
                    files.append(UploadFile(path))
                async for event in client.upload_many(files, max_in_flight=_UPLOADS_AT_ONCE):
                    if event.document is not None:
                        indexed.append(time.perf_counter())
                for file in files:
                    file.path.unlink()

    task = asyncio.create_task(upload())
    try:
        yield indexed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
