"""How fast files become searchable, through the gateway, and what that takes.

    python -m benchmarks.ingest [--rounds N] PATH...

Each round starts the four services with an empty embedded store in a temporary folder, uploads every file
over one stream by the public client, and waits until the last one is acknowledged INDEXED: durable and
searchable. Prints the rate of each round, the median, and the CPU time and peak memory of each service. The
last line is the bound: the CPU seconds the embedder alone takes for the same chunks in one process.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Usage, watched
from docuquery_client.cli.ingest_files import select
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack
from docuquery_client.upload_files import UploadFile

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Round:
    """One measured upload of everything."""

    seconds: float
    size_bytes: int
    documents: int
    failed: int
    pages: int
    chunks: int
    usage: Usage


async def measure(files: list[UploadFile], in_flight: int) -> Round:
    """Uploads `files` into an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"DATA_DIR": f"{folder}/data", "INGEST_SPOOL_DIR": f"{folder}/spool"}
        stack = await start_stack(env, cwd=Path(folder))
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            pids = {name: process.pid for name, process in stack.processes.items()}
            size = failed = pages = chunks = 0
            async with watched(pids) as usage:
                started = time.perf_counter()
                cpu = time.process_time()
                async for event in client.upload_many(files, max_in_flight=in_flight):
                    if event.failed is not None:
                        failed += 1
                    elif event.document is not None:
                        size += event.document.size_bytes
                        pages += event.document.page_count
                        chunks += event.document.chunk_count
                seconds = time.perf_counter() - started
            usage.cpu_seconds["client"] = time.process_time() - cpu
            return Round(seconds, size, len(files), failed, pages, chunks, usage)


def embedder_seconds(texts: list[str]) -> float:
    """CPU seconds of the default embedder for `texts`, alone in this process."""
    from services.retrieval.embedders.local import LocalEmbedder

    embedder = LocalEmbedder.load()
    started = time.process_time()
    asyncio.run(embedder.embed_passages(texts))
    return time.process_time() - started


def main() -> None:
    """Runs the rounds and prints."""
    parser = argparse.ArgumentParser(prog="benchmarks.ingest")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=16)
    arguments = parser.parse_args()
    files = [UploadFile(found.path, source=found.source) for found in select(arguments.paths).files]
    rounds = []
    for number in range(1, arguments.rounds + 1):
        result = asyncio.run(measure(files, arguments.in_flight))
        rounds.append(result)
        cpu = "  ".join(f"{name} {seconds:.2f}" for name, seconds in result.usage.cpu_seconds.items())
        memory = "  ".join(f"{name} {mib:.0f}" for name, mib in result.usage.peak_mib.items())
        print(
            f"round {number}: {result.seconds:.2f} s, {result.size_bytes / result.seconds / _MB:.2f} MB/s, "
            f"{result.documents / result.seconds:.0f} documents/s, "
            f"{result.pages / result.seconds:.0f} pages/s, "
            f"{result.chunks} chunks, {result.failed} failed"
        )
        print(f"  CPU seconds: {cpu}\n  peak MiB:    {memory}")
    median = statistics.median(round.size_bytes / round.seconds for round in rounds)
    print(f"median {median / _MB:.2f} MB/s of {len(rounds)} rounds")


if __name__ == "__main__":
    main()
