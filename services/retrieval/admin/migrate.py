"""Moving the embedded store to a Qdrant server: a copy, which leaves the embedded store as it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from services.retrieval.admin.console import Progress, counted, note, say
from services.retrieval.admin.copier import Copied, StoreCopier
from services.retrieval.admin.folder import held_store
from services.retrieval.admin.vectors import Vectors
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.store.edge.opening import edge_stores
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.store.walk import live_chunks
from services.retrieval.terms.bm25 import Bm25Encoder


async def migrate(
    folder: Path,
    open_target: Callable[[VectorSpace], AbstractAsyncContextManager[Stores]],
    embedder: Embedder,
    encoder: Bm25Encoder,
    *,
    prune: bool,
) -> None:
    """Copies the store in `folder` to the target, embedded anew only if the settings name another embedder.

    `prune`: what the target has besides is removed, of the tenants that are copied. Raises AdminError,
    STORE_UNAVAILABLE while a service uses the folder or when the server cannot be reached, STORE_MISMATCH
    when the target was filled by another embedder.
    """
    wanted = VectorSpace(embedder.name, embedder.dimensions, encoder.name)
    with held_store(folder) as present:
        async with edge_stores(folder, present) as source, open_target(wanted) as target:
            vectors = Vectors(
                source.chunks,
                None if present.space.has_same_dense(wanted) else embedder,
                None if present.space.sparse == wanted.sparse else encoder,
            )
            copied = await _copy_all(source, target, vectors, prune=prune)
            name = target.name
    if copied.kept:
        verb = "is" if copied.kept == 1 else "are"
        say(f"{counted(copied.kept, 'document')} {verb} newer in the target and stayed as there.")
    if copied.only_in_target:
        verb = "stands" if copied.only_in_target == 1 else "stand"
        say(f"{counted(copied.only_in_target, 'document')} {verb} in the target only (see --prune).")
    say(f"Set VECTOR_STORE={name} for the retrieval service. The embedded store in {folder} is as it was.")
    note("Page tokens of listings begun before are refused once; callers start such a listing again.")


async def _copy_all(source: Stores, target: Stores, vectors: Vectors, *, prune: bool) -> Copied:
    """Copies every tenant of `source`, and tells how far it is and what it did."""
    tenants = await source.upkeep.tenants()
    progress = Progress(await live_chunks(source, tenants), "chunks")
    copier = StoreCopier(source, target, vectors, prune=prune, on_chunks=progress.advance)
    try:
        copied = await copier.copy(tenants)
    finally:
        progress.finish()
    removed = f", {copied.removed:,} removed" if copied.removed else ""
    done = f"{counted(copied.documents, 'document')}, {counted(copied.chunks, 'chunk')} copied{removed}"
    say(f"{done}; the others were there.")
    return copied
