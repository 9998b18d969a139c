"""Latency and throughput of search and of questions, by how many callers there are.

    python -m benchmarks.concurrency [--levels 1,4,16] [--chunks N] [--seconds S] [--rounds N] [--built-in]
                                     [--json FILE] PATH...

Four services with the embedded store and the extractive answers, filled with N chunks made of sentences of
the text files in PATH. In each round every number of callers asks for S seconds, by ghz where it is installed
(ghz.py) and not --built-in, else by a generator in a process of its own (generator.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections import defaultdict
from itertools import islice
from pathlib import Path

from benchmarks import generator, ghz, measurement
from benchmarks.gateway_processes import QUIET
from benchmarks.generator import Asked
from benchmarks.measurement import Measurement
from benchmarks.search import fill
from benchmarks.texts import questions, sentences_of
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack, wait_until_whole

METHODS = {"Search": "query", "Query": "question"}
_REQUESTS = 500


class Generator:
    """Whichever generator there is."""

    def __init__(self, program: Path | None, work: Path) -> None:
        """`program`: ghz; None: the built-in one. The requests lie in `work`."""
        self._program = program
        self._work = work

    @property
    def name(self) -> str:
        """With its version."""
        return f"ghz {ghz.version_of(self._program)}" if self._program else "built-in"

    async def ask(self, address: str, method: str, in_flight: int, seconds: float) -> Asked:
        """One burst."""
        if self._program is None:
            requests = self._work / f"{method}.json"
            return await generator.load(address, method, in_flight, seconds, requests)
        return await asyncio.to_thread(
            ghz.load, self._program, address, method, in_flight, seconds, self._work
        )


async def measure(options: argparse.Namespace, work: Path, asking: Generator) -> list[Measurement]:
    """Fills, warms up, asks."""
    sentences = sentences_of(options.paths)
    asked = list(islice(questions(sentences, random.Random(3)), _REQUESTS))
    for method, field in METHODS.items():
        (work / f"{method}.json").write_text(json.dumps([{field: text} for text in asked]), "utf-8")
    env = QUIET | {
        "DATA_DIR": f"{work}/data",
        "INGEST_SPOOL_DIR": f"{work}/spool",
        "VECTOR_STORE": "edge",
        "LLM_PROVIDER": "extractive",
        "LOG_LEVEL": "WARNING",
    }
    bursts: dict[tuple[str, int], list[Asked]] = defaultdict(list)
    stack = await start_stack(env, cwd=work)
    async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
        await wait_until_whole(client)
        await fill(client, sentences, options.chunks, work)
        address = stack.addresses["gateway"]
        for method in METHODS:
            await asking.ask(address, method, max(options.levels), options.seconds / 2)
        for number in range(1, options.rounds + 1):
            for method in METHODS:
                for level in options.levels:
                    burst = await asking.ask(address, method, level, options.seconds)
                    bursts[method, level].append(burst)
                    print(f"round {number}, {method} at {level}: {burst.per_second:.0f}/s, {_times(burst)}")
    return [one for (method, level), found in bursts.items() for one in measured(method, level, found)]


def measured(method: str, level: int, bursts: list[Asked]) -> list[Measurement]:
    """The figures of one method at one number of callers."""
    at = f"{method} at {level}"
    return [
        Measurement(f"{at}, rate", "/s", tuple(one.per_second for one in bursts), higher_is_better=True),
        Measurement(f"{at}, p50", "ms", tuple(one.p50_ms for one in bursts)),
        Measurement(f"{at}, p95", "ms", tuple(one.p95_ms for one in bursts)),
        Measurement(f"{at}, p99", "ms", tuple(one.p99_ms for one in bursts)),
        Measurement(f"{at}, not answered", "calls", tuple(float(one.failed) for one in bursts)),
    ]


def _times(burst: Asked) -> str:
    return f"p50 {burst.p50_ms:.1f}  p95 {burst.p95_ms:.1f}  p99 {burst.p99_ms:.1f} ms, {burst.failed} failed"


def main() -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.concurrency")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument(
        "--levels", type=lambda text: [int(level) for level in text.split(",")], default=[1, 4, 16]
    )
    parser.add_argument("--chunks", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--built-in", action="store_true", help="even where ghz is installed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asking = Generator(None if options.built_in else ghz.find_program(), Path(folder))
        print(f"load by {asking.name}")
        measurements = asyncio.run(measure(options, Path(folder), asking))
    if options.json:
        measurement.write(options.json, measurements, generator=asking.name)


if __name__ == "__main__":
    main()
