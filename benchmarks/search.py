"""How fast a search is, through the gateway, at a given size.

    python -m benchmarks.search [--chunks N] [--data FOLDER] [--seconds S] PATH...

Documents are made of sentences drawn at random from the text files in PATH until about N chunks are stored,
by the public client, in the embedded store of a stack of its own. Questions are four to nine words of such
sentences. Prints the latency of one caller after the other and the processor time of retrieval, without
and with reranking; then rate and latency at 16 in flight, the time retrieval takes to answer a health check
meanwhile (its event loop's lag), and its memory. With --data the store is kept in FOLDER and found there the
next time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from grpc_health.v1 import health_pb2

from benchmarks.processes import cpu_seconds, resident_mib
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.connection import open_channel
from docuquery_client.stack import start_stack
from docuquery_client.upload_files import UploadFile

_SENTENCE = re.compile(r"[^.!?\n]{40,200}[.!?]")
_IN_FLIGHT = 16
_WARM_UP = 50
_SINGLE = 400
_DOCUMENT_SENTENCES = 120


def sentences_of(paths: list[str]) -> list[str]:
    """The sentences of all text files below `paths`."""
    files = [file for path in paths for file in sorted(Path(path).rglob("*")) if file.is_file()]
    found = [
        match.group() for file in files for match in _SENTENCE.finditer(file.read_text("utf-8", "ignore"))
    ]
    if len(found) < 100:
        raise SystemExit("PATH holds too little text: at least 100 sentences are needed.")
    return found


def questions(sentences: list[str], rng: random.Random) -> Iterator[str]:
    """Four to nine words that stand together in some sentence, for ever."""
    while True:
        words = rng.choice(sentences).split()
        length = rng.randint(4, 9)
        start = rng.randint(0, max(0, len(words) - length))
        yield " ".join(words[start : start + length])


async def fill(client: AsyncDocuQuery, sentences: list[str], wanted: int, folder: Path) -> int:
    """Uploads documents until `wanted` chunks are stored; returns how many there are."""
    rng = random.Random(1)
    stored = (await client.get_stats()).chunk_count
    number = stored
    while stored < wanted:
        files = []
        for _ in range(max(1, min(500, (wanted - stored) // 40))):
            path = folder / f"{number}.txt"
            path.write_text(
                "\n\n".join(" ".join(rng.choices(sentences, k=5)) for _ in range(_DOCUMENT_SENTENCES // 5))
            )
            files.append(UploadFile(path))
            number += 1
        async for _event in client.upload_many(files, max_in_flight=16):
            pass
        for file in files:
            file.path.unlink()
        stored = (await client.get_stats()).chunk_count
    return stored


def percentiles(seconds: list[float]) -> str:
    """p50, p95, p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1e3:.1f}  p95 {cuts[94] * 1e3:.1f}  p99 {cuts[98] * 1e3:.1f} ms"


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    """Seconds a call takes."""
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


async def measure(arguments: argparse.Namespace) -> None:
    """Fills a store, asks, prints."""
    sentences = sentences_of(arguments.paths)
    with ExitStack() as folders:
        folder = arguments.data or folders.enter_context(tempfile.TemporaryDirectory())
        work = Path(folders.enter_context(tempfile.TemporaryDirectory()))
        env = {
            "DATA_DIR": f"{folder}/data",
            "INGEST_SPOOL_DIR": f"{work}/spool",
            "RATE_LIMIT_REQUESTS": "1000000",
            "LOG_LEVEL": "WARNING",
        }
        stack = await start_stack(env, cwd=work)
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            stored = await fill(client, sentences, arguments.chunks, work)
            asked = questions(sentences, random.Random(2))
            pid = stack.processes["retrieval"].pid
            print(f"{stored} chunks")
            for rerank in (False, True):
                await one_by_one(client, pid, asked, rerank=rerank)
            await under_load(client, stack.addresses["retrieval"], asked, arguments.seconds)
            print(f"retrieval's memory: {resident_mib(pid):.0f} MiB")


async def one_by_one(client: AsyncDocuQuery, pid: int, asked: Iterator[str], *, rerank: bool) -> None:
    """Asks with one caller, and prints; `pid` is retrieval's."""

    async def ask() -> None:
        await client.search(next(asked), rerank=rerank)

    for _ in range(_WARM_UP):
        await ask()
    before = cpu_seconds(pid)
    latencies = [await timed(ask) for _ in range(_SINGLE)]
    used = (cpu_seconds(pid) - before) / _SINGLE
    name = "one caller, reranked" if rerank else "one caller"
    print(f"{name}: {percentiles(latencies)}; processor time of retrieval {used * 1e3:.1f} ms a search")


async def under_load(client: AsyncDocuQuery, retrieval: str, asked: Iterator[str], seconds: float) -> None:
    """Asks with 16 callers at once, and prints."""
    end = time.perf_counter() + seconds
    latencies: list[float] = []
    lags: list[float] = []
    channel = open_channel(retrieval, None)
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )

    async def ask() -> None:
        while time.perf_counter() < end:
            latencies.append(await timed(lambda: client.search(next(asked))))

    async def watch() -> None:
        while time.perf_counter() < end:
            lags.append(await timed(lambda: check(health_pb2.HealthCheckRequest())))
            await asyncio.sleep(0.02)

    started = time.perf_counter()
    await asyncio.gather(watch(), *(ask() for _ in range(_IN_FLIGHT)))
    rate = len(latencies) / (time.perf_counter() - started)
    print(f"{_IN_FLIGHT} in flight: {rate:.0f}/s, {percentiles(latencies)}")
    print(f"health check of retrieval meanwhile: {percentiles(lags)}")
    await channel.close()


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.search")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--data", type=Path)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
