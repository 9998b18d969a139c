"""How long a service takes to answer a health check, asked again and again: the lag of its event loop.

    python -m benchmarks.health_watch ADDRESS

Prints the seconds each check took. A process of its own, so that what else the measurement does adds nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2

_PAUSE_SECONDS = 0.02


@asynccontextmanager
async def watched_health(address: str) -> AsyncIterator[list[float]]:
    """Collects the seconds of each check while the block runs; complete when it is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.health_watch", address, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    checks: list[float] = []
    await process.stdout.readline()  # it has begun
    try:
        yield checks
    finally:
        process.terminate()
        rest = (await process.communicate())[0]
        checks += map(float, rest.split())


def main() -> None:
    """Checks until it is terminated."""
    with grpc.insecure_channel(sys.argv[1]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        while True:
            started = time.perf_counter()
            check(health_pb2.HealthCheckRequest(), timeout=60)
            print(time.perf_counter() - started, flush=True)
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
