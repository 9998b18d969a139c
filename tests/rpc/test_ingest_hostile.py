"""Hostile files cost themselves only: each ends in time with a specific reason, and the service stays up."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc

from docuquery.common.v1 import error_reason_pb2 as reasons
from tests.rpc.hostile_files import good_pdf, hostile_files
from tests.rpc.ingest_support import Document, Ingest, running

VAGUE = {reasons.ERROR_REASON_UNSPECIFIED, reasons.ERROR_REASON_INTERNAL, reasons.ERROR_REASON_PARSER_CRASHED}
# On these pdfium ends its process: it aborts when memory is refused, and overflows its stack.
CRASHING = {"content-bomb.pdf", "form-cycle.pdf"}
WORKER_MIB = 768


async def watch_health(ingest: Ingest, slowest: list[float]) -> None:
    """Asks for the service's health all the time; remembers the longest wait in seconds."""
    stub = health_pb2_grpc.HealthStub(ingest.channel)
    loop = asyncio.get_running_loop()
    while True:
        begin = loop.time()
        reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        slowest[0] = max(slowest[0], loop.time() - begin)
        await asyncio.sleep(0.05)


async def test_every_hostile_file_ends_with_a_specific_reason_and_harms_nobody(tmp_path: Path) -> None:
    files = hostile_files()
    honest = [Document(f"honest-{number}.pdf", good_pdf()) for number in range(5)]
    hostile = [Document(name, content, piece_bytes=256 * 1024) for name, content in files.items()]
    slowest = [0.0]
    async with running(
        tmp_path,
        workers=2,
        parse_timeout_seconds=10,
        worker_memory_bytes=WORKER_MIB * 1024 * 1024,
    ) as ingest:
        watching = asyncio.create_task(watch_health(ingest, slowest))
        events = await ingest.upload(*hostile, *honest)
        assert not watching.done()
        watching.cancel()
        spooled = ingest.spooled()
    ends = {name: progress[-1] for name, progress in events.items()}
    vague = {name for name, end in ends.items() if end.failed.reason in VAGUE and end.HasField("failed")}
    assert vague <= CRASHING
    assert Counter(end.WhichOneof("event") for end in ends.values())["done"] >= len(honest)
    assert all(ends[document.id].HasField("done") for document in honest)
    assert all(len(end.failed.message) > 15 for end in ends.values() if end.HasField("failed"))
    assert spooled == []
    assert slowest[0] < 5
    # ru_maxrss of the children that have ended, in KiB: no worker outgrew its limit.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < WORKER_MIB * 1024
    assert (
        b"root:"
        not in "".join(
            ingest.retrieval.live_text(name) for name in ends if ends[name].HasField("done")
        ).encode()
    )
