"""A slow retrieval slows the caller down; the service's memory stays as it was."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.rpc.channel import open_channel
from tests.rpc.ingest_support import Document, Ingest, MemoryRetrieval, serving

ROOT = Path(__file__).parents[2]
MB = 1_000_000
DOCUMENTS = 40
DOCUMENT_BYTES = 5 * MB
WRITE_SECONDS = 0.2
"""What retrieval takes for each batch of chunks, some ten times as long as usual."""


class SlowRetrieval(MemoryRetrieval):
    """Takes its time to write."""

    async def _enter(self, method: str) -> None:
        await super()._enter(method)
        if method == "WriteChunks":
            await asyncio.sleep(WRITE_SECONDS)


@asynccontextmanager
async def ingest_process(spool: Path, retrieval: MemoryRetrieval) -> AsyncIterator[tuple[Ingest, int]]:
    """The service in a process of its own, and the process's id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with serving(retrieval) as retrieval_port:
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in ("", "libs/gen", "libs/client")),
            "INGEST_PORT": str(port),
            "RETRIEVAL_TARGET": f"127.0.0.1:{retrieval_port}",
            "INGEST_SPOOL_DIR": str(spool),
            "LOG_LEVEL": "WARNING",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.rpc.ingest_process", env=env, cwd=ROOT
        )
        try:
            async with open_channel(f"127.0.0.1:{port}", max_message_bytes=16 * MB) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
                yield Ingest(channel, retrieval, spool), process.pid
        finally:
            process.terminate()
            await process.wait()


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def test_two_hundred_megabytes_to_a_slow_retrieval_leave_memory_flat(tmp_path: Path) -> None:
    """The caller is never more than some documents ahead, on disk and on the wire, and all of them arrive."""
    text = (b"The gauge was read at noon, and nobody was there to see it.\n" * (DOCUMENT_BYTES // 60))[:-1]
    sent = done = furthest_ahead = 0
    resident: list[int] = []

    async with ingest_process(tmp_path, SlowRetrieval()) as (ingest, pid):
        call = ingest.open()

        async def write() -> None:
            nonlocal sent, furthest_ahead
            for number in range(DOCUMENTS):
                document = Document(f"{number}.txt", text, piece_bytes=256 * 1024)
                for message in document.messages():
                    await call.write(message)
                    sent += len(message.data)
                    furthest_ahead = max(furthest_ahead, sent - done)
            await call.done_writing()

        writing = asyncio.create_task(write())
        async for response in call:
            assert not response.progress.HasField("failed"), response
            if response.progress.HasField("done"):
                done += DOCUMENT_BYTES
                resident.append(resident_bytes(pid))
        await writing
        assert ingest.spooled() == []

    assert done == DOCUMENTS * DOCUMENT_BYTES
    # Sixteen documents in the pipeline, one at its door, and what gRPC holds under way: measured 89 MB.
    assert furthest_ahead < 22 * DOCUMENT_BYTES
    # Measured: 120 MB after the first document, 126 MB at most.
    assert max(resident) - resident[0] < 40 * MB
