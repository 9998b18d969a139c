"""`docuquery admin check`: the table, and what is wrong."""

from __future__ import annotations

from pathlib import Path

from services.retrieval.admin.check import TenantReport, check_tenant
from services.retrieval.admin.console import Progress, say, table
from services.retrieval.admin.folder import held_store
from services.retrieval.store.edge.opening import edge_stores
from services.retrieval.store.stores import Stores
from services.retrieval.store.walk import live_chunks

_MAX_SHOWN = 50


async def check(folder: Path, warn_chunks: int) -> int:
    """Checks the store in `folder`; returns the exit code. Raises AdminError, STORE_UNAVAILABLE."""
    with held_store(folder) as manifest:
        space = manifest.space
        say(f"{folder}: embedder {space.embedder}, {space.dimensions} dimensions, {space.sparse}")
        if filling := manifest.spaces.being_filled:
            say(f"It is being embedded anew for {filling.space}, which is not looked at here.")
        async with edge_stores(folder, manifest) as stores:
            reports = await _check_all(stores)
    if not reports:
        say("Nothing is stored yet.")
        return 0
    table(
        ("tenant", "documents", "live", "chunks", "stored", "characters", "open", "leftovers", "faults"),
        [
            (
                report.tenant,
                report.documents,
                report.live,
                report.chunks_recorded,
                report.chunks_stored,
                report.characters,
                report.open_attempts,
                report.leftovers,
                len(report.faults),
            )
            for report in reports
        ],
    )
    return _conclude(reports, warn_chunks)


async def _check_all(stores: Stores) -> list[TenantReport]:
    tenants = await stores.upkeep.tenants()
    progress = Progress(await live_chunks(stores, tenants), "chunks")
    try:
        return [await check_tenant(stores, tenant, progress.advance) for tenant in tenants]
    finally:
        progress.finish()


def _conclude(reports: list[TenantReport], warn_chunks: int) -> int:
    """Says what the table means; the exit code."""
    if any(report.leftovers for report in reports):
        say("Leftovers are what interrupted uploads stored; the service removes them when it starts.")
    if lacking := sum(report.lacking for report in reports):
        say(f"{lacking:,} chunks lack a vector, which the service makes when it runs with these settings.")
    for report in reports:
        if warn_chunks and report.chunks_recorded > warn_chunks:
            say(
                f"Tenant {report.tenant} has {report.chunks_recorded:,} chunks, more than the "
                f"{warn_chunks:,} (EDGE_WARN_CHUNKS) the embedded store is good for: move to a Qdrant server."
            )
    faults = [(report.tenant, fault) for report in reports for fault in report.faults]
    for tenant, fault in faults[:_MAX_SHOWN]:
        say(f"{tenant}: {fault}")
    if not faults:
        say("Everything is in order.")
        return 0
    if len(faults) > _MAX_SHOWN:
        say(f"... and {len(faults) - _MAX_SHOWN:,} more.")
    say("Restore a backup, or delete these documents and upload them again.")
    return 1
