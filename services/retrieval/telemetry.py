"""What the retrieval service measures of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.telemetry.measured import measured
from libs.telemetry.metrics import Counter, Gauge, Histogram
from libs.telemetry.stages import Stages
from services.retrieval.documents.sweeper import Sweeper
from services.retrieval.store.protocol import Totals
from services.retrieval.store.stores import Stores

log = structlog.get_logger()

STAGE = Histogram(
    "docuquery_retrieval_stage_duration_seconds",
    "Steps of searches (embed, index, complete, idf, records, rerank, fetch) and of writing documents "
    "(embed_passages, write).",
    "stage",
)
RERANK_SKIPPED = Counter(
    "docuquery_retrieval_rerank_skipped", "Searches that should have been reranked and were not.", "reason"
)
TENANTS = Gauge("docuquery_store_tenants", "Tenants with anything stored.")
SIZES = Gauge(
    "docuquery_store_tenants_by_chunks",
    "Tenants with at most so many chunks, of those this process has looked at (see docs/telemetry.md).",
    "at_most",
)
DOCUMENTS = Gauge("docuquery_store_documents", "Documents of these tenants.", "status")
CHUNKS = Gauge("docuquery_store_chunks", "Chunks of these tenants' live documents.")
BYTES = Gauge("docuquery_store_bytes", "Size of these tenants' live documents, as uploaded.")
LEFTOVERS = Gauge("docuquery_store_leftover_attempts", "Replaced or failed versions waiting to be deleted.")

stages = Stages(STAGE)

_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_COUNT_SECONDS = (1.0, 60.0)
"""Pause between two countings: it doubles from the first to the second, so that a new process shows soon."""
_MOST_TENANTS = 200
"""Tenants counted in one round: counting one is a query where the store is a server."""


def measured_stores(stores: Stores) -> Stores:
    """`stores`, as searches use them."""
    chunks = {"search": "index", "complete": "complete", "idf": "idf", "fetch": "fetch"}
    return replace(
        stores,
        chunks=measured(stores.chunks, stages, chunks),
        records=measured(stores.records, stages, {"live": "records"}),
    )


def follow_sweeper(sweeper: Sweeper) -> None:
    """Shows how much the sweeper has before it."""
    LEFTOVERS.follow(lambda: sweeper.pending)


async def count_store(stores: Stores, clock: Clock) -> None:
    """Counts what is stored, about once a minute, until cancelled."""
    pause, longest = _COUNT_SECONDS
    while True:
        try:
            await _count(stores, clock)
        except DocuQueryError as error:
            log.info("store_not_counted", reason=error.reason_name)
        await clock.sleep(pause)
        pause = min(longest, 2 * pause)


async def _count(stores: Stores, clock: Clock) -> None:
    tenants = await stores.upkeep.tenants()
    TENANTS.set(len(tenants))
    # In the embedded store counting a tenant opens it, and an open one costs memory.
    counted = tenants if stores.is_shared else await stores.upkeep.active_tenants()
    totals = []
    for tenant in counted[:_MOST_TENANTS]:
        totals.append(await stores.records.totals(tenant, clock.now()))
        await asyncio.sleep(0)
    show(totals)


def show(totals: Sequence[Totals]) -> None:
    """Sets the gauges of sizes to those of these tenants."""
    for size in _SIZES:
        SIZES.set(sum(one.chunks <= size for one in totals), str(size))
    SIZES.set(len(totals), "+Inf")
    DOCUMENTS.set(sum(one.indexed_documents for one in totals), "indexed")
    DOCUMENTS.set(sum(one.processing_documents for one in totals), "processing")
    DOCUMENTS.set(sum(one.failed_documents for one in totals), "failed")
    CHUNKS.set(sum(one.chunks for one in totals))
    BYTES.set(sum(one.size_bytes for one in totals))
