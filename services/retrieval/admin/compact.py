"""Compacting: merges what many small writes left, and builds the graph that makes large stores fast.

The engine writes the new segments beside the old ones and exchanges them, so a kill loses nothing. What a
killed one had begun is removed by the next.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as edge

from services.retrieval.admin.console import AdminError, megabytes, note, say, table
from services.retrieval.admin.folder import held_store, stored_bytes
from services.retrieval.store.edge.engine import engine_errors
from services.retrieval.store.edge.manifest import remove_unused
from services.retrieval.store.edge.tenant import EdgeTenant, EdgeTenants

# Measured: 100,000 chunks take a minute or two; fewer do not look like a hang.
_WORTH_A_WORD = 10_000


@dataclass(frozen=True, slots=True)
class _Size:
    points: int
    segments: int
    size: int
    """Bytes on the disk."""


def compact(folder: Path, only_tenant: str | None = None) -> None:
    """Compacts every tenant, or one, and says what became of it. Raises AdminError, STORE_UNAVAILABLE."""
    with held_store(folder) as manifest:
        remove_unused(folder)
        for unfinished in (folder / manifest.folder).glob("*/*/temp_segments/*"):
            shutil.rmtree(unfinished)  # the engine leaves these where they are
        (folder / manifest.folder).mkdir(exist_ok=True)
        tenants = EdgeTenants(folder / manifest.folder, [manifest.spaces.current])
        try:
            names = tenants.names()
            if only_tenant is not None and only_tenant not in names:
                raise AdminError(f"There is no tenant {only_tenant} in {folder}.")
            rows = [_compact_tenant(tenants, name) for name in ([only_tenant] if only_tenant else names)]
        finally:
            tenants.close()
    if not rows:
        say("Nothing is stored yet.")
        return
    header = ("tenant", "points", "segments before", "after", "disk before", "after", "seconds")
    table(header, rows)


def _compact_tenant(tenants: EdgeTenants, name: str) -> tuple[object, ...]:
    opened = tenants.find(name)
    if opened is None:
        raise AdminError(f"The folder of tenant {name} went away.")
    before = _size(opened)
    if before.points >= _WORTH_A_WORD:
        note(f"Compacting {before.points:,} points of {name}; the engine says nothing meanwhile ...")
    started = time.monotonic()
    for shard in _shards(opened):
        _optimize(shard)
    after = _size(opened)
    if after.points != before.points:
        raise AdminError(
            f"Tenant {name} had {before.points:,} points before and has {after.points:,} now. Restore the "
            "last backup, and report this."
        )
    seconds = f"{time.monotonic() - started:.1f}"
    disk = megabytes(before.size), megabytes(after.size)
    return name, after.points, before.segments, after.segments, *disk, seconds


def _shards(opened: EdgeTenant) -> list[edge.EdgeShard]:
    return [*(space.shard for space in opened.spaces.values()), opened.documents]


def _optimize(shard: edge.EdgeShard) -> None:
    with engine_errors("optimize"):
        shard.flush()
        shard.optimize()
        shard.flush()


def _size(opened: EdgeTenant) -> _Size:
    with engine_errors("info"):
        infos = [shard.info() for shard in _shards(opened)]
    return _Size(
        sum(info.points_count for info in infos),
        sum(info.segments_count for info in infos),
        stored_bytes(opened.folder),
    )
