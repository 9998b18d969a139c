"""How long the embedded stack takes to start, and what it holds when nobody asks anything.

    python -m benchmarks.startup [--rounds N] [--json FILE]

Each round starts the four services with an empty store: seconds until each of them answers its health check
with SERVING, until the gateway says that every component serves, and then the memory of each service with its
share of pages others map too (PSS).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks import measurement
from benchmarks.gateway_processes import QUIET
from benchmarks.measurement import Measurement, joined
from benchmarks.processes import resident_mib
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack, wait_until_whole


async def start_once() -> list[Measurement]:
    """One start of an empty stack."""
    with tempfile.TemporaryDirectory() as folder:
        env = QUIET | {
            "DATA_DIR": f"{folder}/data",
            "INGEST_SPOOL_DIR": f"{folder}/spool",
            "VECTOR_STORE": "edge",
            "LLM_PROVIDER": "extractive",
        }
        began = time.perf_counter()
        stack = await start_stack(env, cwd=Path(folder))
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            healthy = time.perf_counter() - began
            await wait_until_whole(client)
            whole = time.perf_counter() - began
            memory = {name: resident_mib(process.pid) for name, process in stack.processes.items()}
    return [
        Measurement("until every service is SERVING", "s", (healthy,)),
        Measurement("until the gateway says so of all", "s", (whole,)),
        *(Measurement(f"{name}, idle memory", "MiB", (mib,)) for name, mib in memory.items()),
    ]


def main() -> None:
    """Reads the arguments, starts, prints, writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.startup")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    measurements = joined([asyncio.run(start_once()) for _ in range(options.rounds)])
    for one in measurements:
        print(f"{one.name}: {one.median:.2f} {one.unit} ({one.low:.2f} to {one.high:.2f})")
    if options.json:
        measurement.write(options.json, measurements)


if __name__ == "__main__":
    main()
