"""How fast files become searchable, through the gateway, and what that takes.

    python -m benchmarks.ingest [--rounds N] [--json FILE] PATH...

Each round starts the four services with an empty embedded store in a temporary folder, uploads every file
over one stream by the public client, and waits until the last one is acknowledged INDEXED: durable and
searchable. Prints the rate of each round, the median, and the CPU time and peak memory of each service. The
last lines are the limits: the CPU seconds that parsing and chunking, the vectors, and the terms of the word
index take for the same files, each alone in one process and nothing else done.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measurement
from benchmarks.measurement import Measurement
from benchmarks.processes import Usage, watched
from docuquery_client.cli.ingest_files import select
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack
from docuquery_client.upload_files import UploadFile
from services.ingest import parsers
from services.ingest.chunking.chunking import DEFAULT_MAX_CHARACTERS, DEFAULT_OVERLAP
from services.ingest.chunking.chunking import chunk as chunked
from services.ingest.detection.detect import HEAD_BYTES, detect
from services.ingest.parsers.errors import ParseError
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.terms.bm25 import Bm25Encoder

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


def alone(files: list[UploadFile]) -> dict[str, float]:
    """CPU seconds of each step that cannot be left out, alone in this process."""
    embedder, terms = LocalEmbedder.load(), Bm25Encoder("english")
    texts: list[str] = []
    started = time.process_time()
    for file in files:
        with file.path.open("rb") as opened:
            kind = detect(opened.read(HEAD_BYTES), file.path.name, path=file.path)
        try:
            document = parsers.read(file.path, kind)
        except ParseError:
            continue
        for chunk in chunked(document, DEFAULT_MAX_CHARACTERS, DEFAULT_OVERLAP):
            headings = " › ".join((document.title, *chunk.headings))
            texts.append(f"{headings}\n{document.text[chunk.char_start : chunk.char_end]}")
    seconds = {"parse and chunk": time.process_time() - started}
    started = time.process_time()
    for start in range(0, len(texts), embedder.batch_texts):
        embedder.embed(texts[start : start + embedder.batch_texts])
    seconds["vectors"] = time.process_time() - started
    started = time.process_time()
    for text in texts:
        terms.document(text, "en")
    seconds["terms"] = time.process_time() - started
    return seconds


def measured(rounds: list[Round], steps: dict[str, float]) -> list[Measurement]:
    """The figures of the rounds, and the limit each step alone sets."""
    size = rounds[0].size_bytes
    found = [
        Measurement("rate", "MB/s", tuple(one.size_bytes / one.seconds / _MB for one in rounds), True),
        Measurement("documents", "/s", tuple(one.documents / one.seconds for one in rounds), True),
        Measurement("chunks", "/s", tuple(one.chunks / one.seconds for one in rounds), True),
        Measurement("failed", "files", tuple(float(one.failed) for one in rounds)),
    ]
    if any(one.pages for one in rounds):
        found.append(Measurement("pages", "/s", tuple(one.pages / one.seconds for one in rounds), True))
    for name in rounds[0].usage.cpu_seconds:
        cpu = tuple(one.usage.cpu_seconds[name] / size * _MB for one in rounds)
        found.append(Measurement(f"{name}, CPU time", "s/MB", cpu))
    for name in rounds[0].usage.peak_mib:
        peak = tuple(one.usage.peak_mib[name] for one in rounds)
        found.append(Measurement(f"{name}, peak memory", "MiB", peak))
    for step, seconds in steps.items():
        found.append(Measurement(f"limit: {step} alone", "MB/s", (size / seconds / _MB,), True))
    return found


def main() -> None:
    """Runs the rounds, prints, writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.ingest")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--json", type=Path)
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
    steps = alone(files)
    for step, seconds in steps.items():
        print(f"{step} alone: {seconds:.2f} s of CPU time, {rounds[0].size_bytes / seconds / _MB:.1f} MB/s")
    if arguments.json:
        measurement.write(arguments.json, measured(rounds, steps))


if __name__ == "__main__":
    main()
