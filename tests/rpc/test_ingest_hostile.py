"""Hostile files cost themselves only: each ends in time with a specific reason, and the service stays up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections import Counter
from pathlib import Path

from grpc_health.v1 import health_pb2

from docuquery.common.v1 import error_reason_pb2 as reasons
from tests.rpc.hostile_archives import hostile_archives
from tests.rpc.hostile_files import good_pdf, hostile_files
from tests.rpc.ingest_support import Document, Ingest, running

VAGUE = {reasons.ERROR_REASON_UNSPECIFIED, reasons.ERROR_REASON_INTERNAL, reasons.ERROR_REASON_PARSER_CRASHED}
# On these pdfium ends its process: it aborts when memory is refused, and overflows its stack.
CRASHING = {"content-bomb.pdf", "form-cycle.pdf"}
WORKER_MIB = 768


def workers_peak_kib() -> int:
    """The most memory any living process below this one has had (VmHWM); 0 when there is none."""
    peak, waiting = 0, [os.getpid()]
    while waiting:
        for children in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            for pid in children.read_text().split():
                waiting.append(int(pid))
                with contextlib.suppress(OSError):  # it ended meanwhile
                    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
                    peak = max(peak, int(found[1]) if found else 0)
    return peak


async def watch(ingest: Ingest, slowest: list[float], peak: list[int]) -> None:
    """Asks for health and memory; remembers the longest wait, in s, and the largest worker, in KiB."""
    check = ingest.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    loop = asyncio.get_running_loop()
    while True:
        begin = loop.time()
        reply = await check(health_pb2.HealthCheckRequest(), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        slowest[0] = max(slowest[0], loop.time() - begin)
        peak[0] = max(peak[0], workers_peak_kib())
        await asyncio.sleep(0.05)


async def test_every_hostile_file_ends_with_a_specific_reason_and_harms_nobody(tmp_path: Path) -> None:
    files = hostile_files() | hostile_archives()
    honest = [Document(f"honest-{number}.pdf", good_pdf()) for number in range(5)]
    hostile = [Document(name, content, piece_bytes=256 * 1024) for name, content in files.items()]
    slowest, peak = [0.0], [0]
    async with running(
        tmp_path,
        workers=2,
        parse_timeout_seconds=10,
        worker_memory_bytes=WORKER_MIB * 1024 * 1024,
    ) as ingest:
        watching = asyncio.create_task(watch(ingest, slowest, peak))
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
    assert 0 < peak[0] < WORKER_MIB * 1024
    assert (
        b"root:"
        not in "".join(
            ingest.retrieval.live_text(name) for name in ends if ends[name].HasField("done")
        ).encode()
    )
