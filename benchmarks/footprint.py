"""What the four services take while they work.

    python -m benchmarks.footprint [--seconds N] [--json FILE] [PATH...]

Starts them with an empty embedded store, uploads the files over and over under new names, then asks the
questions of samples/questions.jsonl, several at a time. Prints the memory of each service when idle and at
its peak, and the processor time a question takes of each. Memory is resident memory with every shared page
counted in each process: a container takes no more. The requests and limits in k8s/base come from here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from benchmarks import measurement
from benchmarks.measurement import Measurement
from benchmarks.processes import cpu_seconds, tree
from docuquery_client.cli.ingest_files import select
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack, wait_until_whole
from docuquery_client.upload_files import UploadFile

_QUESTIONS = Path("samples/questions.jsonl")
_SAMPLE_SECONDS = 0.25


def resident_mib(pid: int) -> float:
    """Resident memory of a process tree in MiB."""
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue  # it ended meanwhile
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total / 1024


class Watch:
    """Peaks of some process trees, by name."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self.peak = dict.fromkeys(pids, 0.0)

    async def run(self) -> None:
        """Samples until it is cancelled."""
        while True:
            for name, pid in self.pids.items():
                self.peak[name] = max(self.peak[name], resident_mib(pid))
            await asyncio.sleep(_SAMPLE_SECONDS)


async def measure(
    files: list[UploadFile], questions: list[str], seconds: float, at_a_time: int
) -> list[Measurement]:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "DATA_DIR": f"{folder}/data",
            "INGEST_SPOOL_DIR": f"{folder}/spool",
            "LLM_PROVIDER": "extractive",
        }
        stack = await start_stack(env, cwd=Path(folder))
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            await wait_until_whole(client)
            pids = {name: process.pid for name, process in stack.processes.items()}
            idle = {name: resident_mib(pid) for name, pid in pids.items()}
            watch = Watch(pids)
            watching = asyncio.create_task(watch.run())
            chunks = await _upload(client, files, seconds)
            uploading = {name: cpu_seconds(pid) for name, pid in pids.items()}
            asked = await _ask(client, questions, seconds, at_a_time)
            asking = {name: cpu_seconds(pid) - uploading[name] for name, pid in pids.items()}
            watching.cancel()
    print(f"{chunks} chunks stored, {asked} questions asked, {at_a_time} at a time\n")
    print("| service | idle, MiB | peak, MiB | CPU a question, ms |\n|---|---|---|---|")
    measured = []
    for name in pids:
        cost = asking[name] / asked * 1000
        measured += [
            Measurement(f"{name}, idle memory", "MiB", (idle[name],)),
            Measurement(f"{name}, peak memory", "MiB", (watch.peak[name],)),
        ]
        if name != "ingest":  # a question does not come there
            measured.append(Measurement(f"{name}, CPU time a question", "ms", (cost,)))
        print(f"| {name} | {idle[name]:.0f} | {watch.peak[name]:.0f} | {cost:.1f} |")
    return measured


async def _upload(client: AsyncDocuQuery, files: list[UploadFile], seconds: float) -> int:
    end, chunks, turn = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        turn += 1
        copies = [UploadFile(file.path, source=f"{turn}/{file.path.name}") for file in files]
        async for event in client.upload_many(copies):
            if event.finished and event.document is not None:
                chunks += event.document.chunk_count
    return chunks


async def _ask(client: AsyncDocuQuery, questions: list[str], seconds: float, at_a_time: int) -> int:
    end, asked = time.monotonic() + seconds, 0

    async def one_after_another(first: int) -> None:
        nonlocal asked
        turn = first
        while time.monotonic() < end:
            await client.ask(questions[turn % len(questions)])
            turn, asked = turn + at_a_time, asked + 1

    await asyncio.gather(*(one_after_another(first) for first in range(at_a_time)))
    return asked


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", default=["samples/handbook"])
    parser.add_argument("--seconds", type=float, default=30.0, help="of uploading, and of asking")
    parser.add_argument("--at-a-time", type=int, default=16, help="questions")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = [UploadFile(found.path, source=found.source) for found in select(options.paths).files]
    questions = [json.loads(line)["question"] for line in _QUESTIONS.read_text().splitlines()]
    measured = asyncio.run(measure(files, questions, options.seconds, options.at_a_time))
    if options.json:
        measurement.write(options.json, measured)


if __name__ == "__main__":
    main()
