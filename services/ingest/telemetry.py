"""What the ingest service measures: documents by outcome, steps, worker processes, room on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from libs.telemetry import tracing
from libs.telemetry.metrics import Counter, Gauge, Histogram
from libs.telemetry.stages import Stages

_LONG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

DOCUMENTS = Counter(
    "docuquery_ingest_documents",
    "Documents by outcome: the upload's result, or the error's reason.",
    "result",
)
BYTES = Counter("docuquery_ingest_bytes", "Bytes of documents that arrived whole.")
STAGE = Histogram(
    "docuquery_ingest_stage_duration_seconds",
    "Steps of a document: begin, wait (for a worker), parse, chunk, write, commit.",
    "stage",
    buckets=_LONG_SECONDS,
)
SPOOL_BYTES = Gauge("docuquery_ingest_spool_bytes", "Bytes of uploads on disk.")
SPOOL_LIMIT = Gauge("docuquery_ingest_spool_limit_bytes", "How many there may be (INGEST_SPOOL_MAX_BYTES).")
WORKERS = Gauge("docuquery_ingest_workers", "Worker processes, `busy` or `idle`.", "state")
WAITING = Gauge("docuquery_ingest_documents_waiting", "Documents that wait for a worker.")
REPLACED = Counter(
    "docuquery_ingest_workers_replaced",
    "Workers replaced: `retired` after their share of documents, `killed` for their state or a time limit, "
    "`died` by themselves.",
    "why",
)

stages = Stages(STAGE)


class Pool(Protocol):
    """The worker processes."""

    @property
    def busy(self) -> int: ...

    @property
    def idle(self) -> int: ...

    @property
    def waiting(self) -> int: ...


class SpoolRoom(Protocol):
    """The disk uploads wait on."""

    @property
    def used_bytes(self) -> int: ...

    @property
    def max_bytes(self) -> int: ...


def follow(pool: Pool, spool: SpoolRoom) -> None:
    """Shows how busy the workers are and how full the disk is."""
    WORKERS.follow(lambda: pool.busy, "busy")
    WORKERS.follow(lambda: pool.idle, "idle")
    WAITING.follow(lambda: pool.waiting)
    SPOOL_BYTES.follow(lambda: spool.used_bytes)
    SPOOL_LIMIT.set(spool.max_bytes)


def worker_stages(seconds: Mapping[str, float]) -> None:
    """Notes how long a worker process took for each of its steps, which follow one another and end now."""
    left = sum(seconds.values())
    for stage, took in seconds.items():
        STAGE.observe(took, stage)
        left -= took
        tracing.past_span(stage, took, ended_seconds_ago=left)
