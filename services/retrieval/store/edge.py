"""The embedded store: Qdrant Edge, in this process, one folder a tenant. See `edge_tenant` for the layout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.retrieval.store.edge_chunks import EdgeChunkStore
from services.retrieval.store.edge_documents import EdgeRecordStore, EdgeTextStore
from services.retrieval.store.edge_revisions import EdgeRevisions
from services.retrieval.store.edge_tenant import EdgeTenants
from services.retrieval.store.edge_upkeep import EdgeUpkeep
from services.retrieval.store.manifest import Manifest, VectorSpace, exclusive, open_manifest, remove_unused
from services.retrieval.store.protocol import Stores


@asynccontextmanager
async def open_edge(folder: Path, space: VectorSpace, warn_chunks: int = 0) -> AsyncIterator[Stores]:
    """Opens the store in `folder` (made when missing) for this process alone; flushes and closes on leaving.

    What an awaited write stored survives the death of this process (it is in the engine's log, in the
    system's cache); the disk itself has it after the next `flush`. A tenant of more than `warn_chunks` chunks
    is warned of in the log (0: none is).

    Raises STORE_UNAVAILABLE when another process holds the folder, STORE_MISMATCH when it was filled in
    another vector space.
    """
    with exclusive(folder):
        manifest = open_manifest(folder, space)
        remove_unused(folder)
        async with edge_stores(folder, manifest, warn_chunks) as stores:
            yield stores


@asynccontextmanager
async def edge_stores(folder: Path, manifest: Manifest, warn_chunks: int = 0) -> AsyncIterator[Stores]:
    """The store `manifest` describes in `folder`, which the caller holds already (`exclusive`)."""
    root = folder / manifest.folder
    root.mkdir(exist_ok=True)
    tenants = EdgeTenants(root, manifest.dimensions, warn_chunks)
    try:
        yield Stores(
            name="edge",
            chunks=EdgeChunkStore(tenants),
            texts=EdgeTextStore(tenants),
            records=EdgeRecordStore(tenants),
            upkeep=EdgeUpkeep(tenants),
            revisions=EdgeRevisions(),
            page_token_key=bytes.fromhex(manifest.page_token_key),
        )
    finally:
        tenants.close()
