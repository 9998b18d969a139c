"""How fast a search is, through the gateway, at given sizes.

    python -m benchmarks.search [--store edge|server|cluster] [--chunks N | --sizes N,N,...] [--data FOLDER]
                                [--seconds S] [--while-indexing] [--json FILE] PATH...

Documents are made of sentences drawn at random from the text files in PATH until about N chunks are stored,
by the public client, in a stack of its own: with the embedded store, a Qdrant server, or a cluster of three.
Without --store it is the store the environment names. Questions are four to nine words of such sentences.

Prints the latency of one caller after the other, without and with reranking, then rate and latency at 16 in
flight, the time retrieval takes to answer a health check on its HEALTH_PORT meanwhile (its event loop's lag;
checks on its main port wait in line like all calls), the CPU time a search takes in each process, and memory.
With --while-indexing the 16 ask once more while four uploads at a time go on. --json writes all of it to a
file. With --data the store is kept in FOLDER and found there the next time (not a cluster's).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import measurement
from benchmarks.measurement import Measurement
from benchmarks.processes import resident_mib
from benchmarks.search_load import IN_FLIGHT, Latency, Load, one_caller, under_load, uploading
from benchmarks.search_stores import STORES, StartedStore, started
from benchmarks.texts import document, questions, sentences_of
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.ports import free_ports
from docuquery_client.stack import start_stack
from docuquery_client.supervision import Stack
from docuquery_client.upload_files import UploadFile

_IDLE = ("ingest", "answer")
"""Services a search does not need."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured at one size."""

    store: str
    chunks: int
    one_caller: Latency
    one_caller_reranked: Latency
    in_flight_16: Load
    while_indexing: Load | None
    memory_mib: dict[str, int]
    """Of retrieval and of each node of a server store; after the load, before any uploads."""


async def fill(client: AsyncDocuQuery, sentences: list[str], wanted: int, folder: Path) -> int:
    """Uploads documents until `wanted` chunks are stored; returns how many there are."""
    stored = (await client.get_stats()).chunk_count
    rng = random.Random(stored)
    number = stored
    while stored < wanted:
        files = []
        for _ in range(max(1, min(500, (wanted - stored) // 40))):
            path = folder / f"{number}.txt"
            path.write_text(document(sentences, rng))
            files.append(UploadFile(path))
            number += 1
        async for _event in client.upload_many(files, max_in_flight=16):
            pass
        for file in files:
            file.path.unlink()
        stored = (await client.get_stats()).chunk_count
    return stored


class Session:
    """One running stack, and what is asked of it."""

    def __init__(
        self, arguments: argparse.Namespace, sentences: list[str], store: StartedStore, work: Path
    ) -> None:
        self._arguments = arguments
        self._sentences = sentences
        self._store = store
        self._work = work
        self._asked = questions(sentences, random.Random(2))
        (self._health_port,) = free_ports(1)

    async def run(self) -> list[Result]:
        """Fills and asks, size by size."""
        env = {
            **self._store.env,
            "INGEST_SPOOL_DIR": f"{self._work}/spool",
            "RETRIEVAL_HEALTH_PORT": str(self._health_port),
            "RATE_LIMIT_REQUESTS": "1000000",
            "LOG_LEVEL": "WARNING",
        }
        stack = await start_stack(env, cwd=self._work)
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            return [await self._at(size, stack, client) for size in self._arguments.sizes]

    async def _at(self, size: int, stack: Stack, client: AsyncDocuQuery) -> Result:
        stored = await fill(client, self._sentences, size, self._work)
        self._store.settle()
        name = self._arguments.store or (await client.get_stats()).store
        single = await one_caller(client, self._asked, rerank=False)
        print(f"{name}, {stored} chunks, one caller: {single}")
        reranked = await one_caller(client, self._asked, rerank=True)
        print(f"one caller, reranked: {reranked}")
        load = await self._under_load(stack, client)
        _print(f"{IN_FLIGHT} in flight", load)
        pids = {"retrieval": stack.processes["retrieval"].pid, **self._store_pids}
        memory = {of: round(resident_mib(pid)) for of, pid in pids.items()}
        print("memory: " + "  ".join(f"{of} {mib} MiB" for of, mib in memory.items()))
        indexing = None
        if self._arguments.while_indexing:
            async with uploading(stack.addresses["gateway"], self._sentences, self._work) as indexed:
                indexing = await self._under_load(stack, client)
            rate = len(indexed) / self._arguments.seconds
            indexing = replace(indexing, documents_per_second=round(rate, 1))
            _print(f"{IN_FLIGHT} in flight, {rate:.0f} documents/s uploaded", indexing)
        return Result(name, stored, single, reranked, load, indexing, memory)

    async def _under_load(self, stack: Stack, client: AsyncDocuQuery) -> Load:
        return await under_load(
            client, stack, self._store_pids, self._health_port, self._asked, self._arguments.seconds
        )

    @property
    def _store_pids(self) -> dict[str, int]:
        return {f"node {number}": node.pid for number, node in enumerate(self._store.nodes, start=1)}


def measured(result: Result) -> list[Measurement]:
    """The figures at one size, each of one round."""
    prefix = f"{result.store}, "
    latencies = {
        "one caller": result.one_caller,
        "one caller, reranked": result.one_caller_reranked,
        f"{IN_FLIGHT} in flight": result.in_flight_16.latency,
        "health check meanwhile": result.in_flight_16.health_check,
    }
    load = result.in_flight_16
    return [
        Measurement(f"{prefix}stored", "chunks", (float(result.chunks),), None),
        *(
            Measurement(f"{prefix}{of}, {name}", "ms", (value,))
            for of, found in latencies.items()
            for name, value in (("p50", found.p50_ms), ("p95", found.p95_ms), ("p99", found.p99_ms))
        ),
        Measurement(f"{prefix}{IN_FLIGHT} in flight, rate", "/s", (load.per_second,), True),
        *(
            Measurement(f"{prefix}{name}, CPU time a search", "ms", (cpu,))
            for name, cpu in load.cpu_ms_per_search.items()
            if name not in _IDLE
        ),
        *(
            Measurement(f"{prefix}{of}, memory", "MiB", (float(mib),))
            for of, mib in result.memory_mib.items()
        ),
    ]


def _print(title: str, load: Load) -> None:
    print(f"{title}: {load.per_second:.0f}/s, {load.latency}")
    print(f"  health check of retrieval meanwhile: {load.health_check}")
    print("  CPU ms a search: " + "  ".join(f"{of} {ms:.2f}" for of, ms in load.cpu_ms_per_search.items()))


def main() -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.search")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--store", choices=STORES)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--while-indexing", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.sizes = sorted(arguments.sizes or [arguments.chunks])
    if arguments.data and arguments.store == "cluster":
        parser.error("a cluster is not kept: leave --data out")
    sentences = sentences_of(arguments.paths)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = arguments.data.resolve() if arguments.data else work
        store = stack.enter_context(started(arguments.store, folder))
        results = asyncio.run(Session(arguments, sentences, store, work).run())
    if arguments.json:
        # Of several sizes each is a result; the measurements, whose names say no size, are the largest one's.
        measurement.write(
            arguments.json,
            measured(results[-1]),
            cpus=os.cpu_count(),
            results=[asdict(result) for result in results],
        )


if __name__ == "__main__":
    main()
