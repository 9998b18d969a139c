"""The embedded store: Qdrant Edge, in this process, one folder a tenant. See `tenant` for the layout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from services.retrieval.store.edge.documents import EdgeRecordStore, EdgeTextStore
from services.retrieval.store.edge.manifest import (
    Manifest,
    exclusive,
    open_manifest,
    remove_unused,
    write_manifest,
)
from services.retrieval.store.edge.revisions import EdgeRevisions
from services.retrieval.store.edge.spaces import EdgeSpaces
from services.retrieval.store.edge.tenant import EdgeTenants
from services.retrieval.store.edge.upkeep import EdgeUpkeep
from services.retrieval.store.spaces import KeptSpaces, VectorSpace
from services.retrieval.store.stores import Stores


@asynccontextmanager
async def open_edge(
    folder: Path,
    space: VectorSpace,
    warn_chunks: int = 0,
    least_free_bytes: int = 0,
    *,
    may_begin: bool = False,
) -> AsyncIterator[Stores]:
    """Opens the store in `folder` (made when missing) for this process alone; flushes and closes on leaving.

    What an awaited write stored survives the death of this process (it is in the engine's log, in the
    system's cache); the disk itself has it after the next `flush`. A tenant of more than `warn_chunks` chunks
    is warned of in the log (0: none is). Documents leave `least_free_bytes` of the disk free.

    Raises STORE_UNAVAILABLE when another process holds the folder; STORE_MISMATCH when it was filled in
    another vector space, unless `may_begin`: then `space` is to be filled, too.
    """
    with exclusive(folder):
        manifest = open_manifest(folder, space, may_begin=may_begin)
        remove_unused(folder)
        async with edge_stores(folder, manifest, warn_chunks, least_free_bytes, own=space) as stores:
            yield stores


@asynccontextmanager
async def edge_stores(
    folder: Path,
    manifest: Manifest,
    warn_chunks: int = 0,
    least_free_bytes: int = 0,
    *,
    own: VectorSpace | None = None,
) -> AsyncIterator[Stores]:
    """The store `manifest` describes in `folder`, which the caller holds already (`exclusive`).

    `own` is one of its spaces; None: the current one.
    """
    own = own or manifest.space
    # What was begun for other settings than ours is left as it is, and brought up to date by whoever goes on.
    opened = KeptSpaces(
        manifest.spaces.current, tuple(kept for kept in manifest.spaces.others if kept.space == own)
    )
    root = folder / manifest.folder
    root.mkdir(exist_ok=True)
    tenants = EdgeTenants(root, opened.all, warn_chunks, least_free_bytes)
    spaces = EdgeSpaces(tenants, manifest, opened, own, partial(write_manifest, folder))
    try:
        yield Stores(
            name="edge",
            chunks=spaces.chunks(own),
            texts=EdgeTextStore(tenants),
            records=EdgeRecordStore(tenants),
            upkeep=EdgeUpkeep(tenants),
            revisions=EdgeRevisions(),
            spaces=spaces,
            page_token_key=bytes.fromhex(manifest.page_token_key),
        )
    finally:
        tenants.close()
