"""The built-in load generator: a process of its own that asks a gateway and prints how it went, as JSON.

    python -m benchmarks.generator ADDRESS Search|Query REQUESTS [--in-flight N] [--seconds S]

REQUESTS is a file with a JSON array of requests; they are sent in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from google.protobuf.json_format import ParseDict

from benchmarks.load import at_a_time, percentile
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub


@dataclass(frozen=True, slots=True)
class Asked:
    """How a burst of calls went; the times are of those answered, in milliseconds."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answered: int
    failed: int


async def load(address: str, method: str, in_flight: int, seconds: float, requests: Path) -> Asked:
    """Runs the generator. Raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.generator", address, method, str(requests),
        "--in-flight", str(in_flight), "--seconds", str(seconds), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return Asked(**json.loads(output))


async def ask(
    address: str, method: str, records: list[dict[str, str]], in_flight: int, seconds: float
) -> Asked:
    """Asks for so long."""
    kinds = {"Search": pb.SearchRequest, "Query": pb.QueryRequest}
    messages = itertools.cycle([ParseDict(record, kinds[method]()) for record in records])
    async with grpc.aio.insecure_channel(address) as channel:
        call = getattr(DocuQueryServiceStub(channel), method)
        timings = await at_a_time(lambda: call(next(messages), timeout=60), in_flight, seconds=seconds)
    p50, p95, p99 = (percentile(timings.answered, percent) for percent in (50, 95, 99))
    failed = len(timings.failed) + len(timings.refused)
    return Asked(timings.rate, p50, p95, p99, len(timings.answered), failed)


def main() -> None:
    """Reads the arguments, asks, prints."""
    parser = argparse.ArgumentParser(prog="benchmarks.generator")
    parser.add_argument("address")
    parser.add_argument("method", choices=("Search", "Query"))
    parser.add_argument("requests", type=Path)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    records = json.loads(options.requests.read_text("utf-8"))
    asked = asyncio.run(ask(options.address, options.method, records, options.in_flight, options.seconds))
    print(json.dumps(asdict(asked)))


if __name__ == "__main__":
    main()
