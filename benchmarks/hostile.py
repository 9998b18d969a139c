"""What damaged, encrypted and malicious files do to the service: each must cost itself only.

    python -m benchmarks.hostile [--limit-seconds S] [--memory-mib M] [--in-flight N] FOLDER

Starts the four services with an empty store in a temporary folder, uploads every file of the folder by the
public client, asks ingest and gateway for their health all the while, and samples the memory of the ingest
service and its workers. `manifest.jsonl` in the folder, where there is one, names the files (`file`) and
their passwords (`password`); else every file below the folder is taken.

Ends with 1 when a service died, a file took longer than the limit, ingest used more memory than the cap, a
health check failed, or a file was refused without a specific reason.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from benchmarks.processes import watched
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.stack import start_stack
from docuquery_client.upload_files import UploadFile
from services.ingest.settings import Settings

_MIB = 1024 * 1024
_SERVICE_MIB = 256
"""Of the cap, for the service itself beside its workers."""
_HEALTH_EVERY_SECONDS = 0.05
_HEALTH_TIMEOUT_SECONDS = 5.0
_VAGUE = frozenset({"", "UNSPECIFIED", "INTERNAL", "TIMED_OUT", "STREAM_BROKEN"})
_SLOWEST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file."""

    name: str
    reason: str
    """Why it was refused; `INDEXED` when it was not."""
    seconds: float
    message: str = ""


@dataclass(slots=True)
class Health:
    """Answers to health checks."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    def p99(self) -> float:
        """In seconds; 0 without answers."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0


@dataclass(slots=True)
class Result:
    """One run over a folder."""

    outcomes: list[Outcome]
    health: Health
    peak_mib: float
    dead: list[str]
    """Services that ended."""


def files_of(folder: Path) -> list[UploadFile]:
    """The files to upload, each under its path below `folder`."""
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return [UploadFile(path, source=str(path.relative_to(folder))) for path in paths]
    entries = map(json.loads, manifest.read_text().splitlines())
    return [
        UploadFile(folder / entry["file"], source=entry["file"], password=entry.get("password") or "")
        for entry in entries
    ]


async def upload(client: AsyncDocuQuery, file: UploadFile, limit_seconds: float) -> Outcome:
    """Uploads one file; a file without an end after `limit_seconds` has TIMED_OUT."""
    started = time.perf_counter()
    reason, message = "", "The stream ended without a word about it."
    try:
        async with asyncio.timeout(limit_seconds):
            async for event in client.upload_many([file]):
                if event.finished:
                    reason = event.reason if event.failed is not None else "INDEXED"
                    message = event.failed.message if event.failed is not None else ""
    except TimeoutError:
        reason, message = "TIMED_OUT", f"No answer after {limit_seconds:g} s."
    except ApiError as error:
        reason, message = "STREAM_BROKEN", str(error)
    return Outcome(file.source, reason, time.perf_counter() - started, message)


@asynccontextmanager
async def asked_for_health(address: str) -> AsyncIterator[Health]:
    """Asks the service at `address` for its health inside the block."""
    health = Health()
    async with grpc.aio.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

        async def ask() -> None:
            while True:
                started = time.perf_counter()
                try:
                    reply = await check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_SECONDS)
                    health.failures += reply.status != health_pb2.HealthCheckResponse.SERVING
                except grpc.aio.AioRpcError:
                    health.failures += 1
                health.seconds.append(time.perf_counter() - started)
                await asyncio.sleep(_HEALTH_EVERY_SECONDS)

        asking = asyncio.create_task(ask())
        try:
            yield health
        finally:
            asking.cancel()


async def run(files: list[UploadFile], limit_seconds: float, in_flight: int) -> Result:
    """Uploads `files`, `in_flight` at a time, each over a stream of its own."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"DATA_DIR": f"{folder}/data", "INGEST_SPOOL_DIR": f"{folder}/spool", "LOG_LEVEL": "ERROR"}
        stack = await start_stack(env, cwd=Path(folder))
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            turn = asyncio.Semaphore(in_flight)

            async def one(file: UploadFile) -> Outcome:
                async with turn:
                    return await upload(client, file, limit_seconds)

            async with (
                watched({"ingest": stack.processes["ingest"].pid}) as usage,
                asked_for_health(stack.addresses["ingest"]) as health,
                asked_for_health(stack.addresses["gateway"]) as gateway,
            ):
                outcomes = await asyncio.gather(*map(one, files))
            health.seconds += gateway.seconds
            health.failures += gateway.failures
            dead = [name for name, process in stack.processes.items() if process.returncode is not None]
            return Result(outcomes, health, usage.peak_mib["ingest"], dead)


def faults(result: Result, limit_seconds: float, memory_mib: float) -> list[str]:
    """Everything that must not happen and did."""
    found = [f"the service {name} died" for name in result.dead]
    for outcome in result.outcomes:
        if outcome.reason in _VAGUE:
            found.append(f"{outcome.name}: {outcome.reason or 'no reason'} ({outcome.message})")
        elif outcome.seconds > limit_seconds:
            found.append(f"{outcome.name}: took {outcome.seconds:.1f} s")
    if result.peak_mib > memory_mib:
        found.append(f"ingest used {result.peak_mib:.0f} MiB, more than {memory_mib:.0f}")
    if result.health.failures:
        found.append(f"{result.health.failures} health checks failed")
    return found


def table(result: Result, memory_mib: float) -> str:
    """The result as Markdown."""
    slowest = max(outcome.seconds for outcome in result.outcomes)
    reasons = Counter(outcome.reason for outcome in result.outcomes)
    rows = [
        ("files", str(len(result.outcomes))),
        *((f"`{reason}`", str(count)) for reason, count in reasons.most_common()),
        ("longest time of one file", f"{slowest:.1f} s"),
        ("health checks: number, p99, failed",
         f"{len(result.health.seconds)}, {result.health.p99() * 1000:.0f} ms, {result.health.failures}"),
        ("peak memory of ingest and its workers (cap)", f"{result.peak_mib:.0f} MiB ({memory_mib:.0f})"),
    ]  # fmt: skip
    return "\n".join(["| what | result |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def main() -> int:
    """Measures the folder named; prints the table, the slowest files, and every fault."""
    settings = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit-seconds", type=float, default=settings.parse_timeout_seconds + 15)
    worker_mib = settings.workers * settings.worker_memory_bytes / _MIB
    parser.add_argument("--memory-mib", type=float, default=worker_mib + _SERVICE_MIB)
    parser.add_argument("--in-flight", type=int, default=settings.workers)
    parser.add_argument("--each", action="store_true", help="print every file's end")
    arguments = parser.parse_args()
    files = files_of(arguments.folder)
    if not files:
        parser.error(f"{arguments.folder} holds no files")
    result = asyncio.run(run(files, arguments.limit_seconds, arguments.in_flight))
    sys.stdout.write(table(result, arguments.memory_mib) + "\n")
    by_time = sorted(result.outcomes, key=lambda outcome: -outcome.seconds)
    for outcome in by_time if arguments.each else by_time[:_SLOWEST_SHOWN]:
        sys.stdout.write(f"{outcome.seconds:.1f} s {outcome.reason} {outcome.name} {outcome.message}\n")
    found = faults(result, arguments.limit_seconds, arguments.memory_mib)
    for fault in found:
        sys.stdout.write(f"FAULT {fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
