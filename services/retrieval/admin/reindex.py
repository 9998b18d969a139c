"""Re-embedding a store: fills another one beside it from the stored chunks, and puts that in its place.

No document is parsed again. What was done survives a kill, and the same command goes on with it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from services.retrieval.admin.console import AdminError, Progress, counted, note, say
from services.retrieval.admin.copier import Copied, StoreCopier, live_chunks
from services.retrieval.admin.folder import held_store
from services.retrieval.admin.vectors import Vectors
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.edge import edge_stores
from services.retrieval.store.manifest import (
    Manifest,
    VectorSpace,
    exclusive,
    new_manifest,
    read_manifest,
    read_next,
    remove_unused,
    switch_to_next,
    write_next,
)
from services.retrieval.store.protocol import Stores


async def reindex(folder: Path, embedder: Embedder, encoder: Bm25Encoder) -> None:
    """Puts a store with the vectors of `embedder` and `encoder` in the place of the one in `folder`.

    Raises AdminError, STORE_UNAVAILABLE while a service uses the folder, EMBEDDER_UNAVAILABLE.
    """
    with held_store(folder) as present:
        wanted = _space(embedder, encoder)
        if present.space == wanted:
            say(f"The store in {folder} is by {wanted.embedder} and {wanted.sparse} already.")
            return
        await _fill(folder, present, folder, embedder, encoder)
        switch_to_next(folder)
        remove_unused(folder)
    say(f"Switched over: the store in {folder} is by {wanted.embedder} and {wanted.sparse} now.")


async def prepare(folder: Path, copy: Path, embedder: Embedder, encoder: Bm25Encoder) -> None:
    """Fills the store that `reindex` will put in the place of that in `folder`, from a copy of the folder.

    A service may serve from `folder` meanwhile, with its old settings. Raises as `reindex` does.
    """
    serving = read_manifest(folder)
    if serving is None:
        raise AdminError(f"There is no store in {folder}. Set DATA_DIR to the folder the service uses.")
    with held_store(copy) as copied:
        if copied.page_token_key != serving.page_token_key:
            raise AdminError(f"{copy} is not a copy of {folder}.")
        wanted = _space(embedder, encoder)
        if serving.space == wanted:
            say(f"The store in {folder} is by {wanted.embedder} and {wanted.sparse} already.")
            return
        await _fill(copy, copied, folder, embedder, encoder)
    say(
        "Prepared. Stop the services, run `docuquery admin reindex` (it brings over what has changed since "
        "the copy, and switches), and start them with the new settings."
    )


async def _fill(
    source_folder: Path, present: Manifest, folder: Path, embedder: Embedder, encoder: Bm25Encoder
) -> None:
    wanted = _space(embedder, encoder)
    following = read_next(folder)
    if following is None or following.space != wanted:
        following = new_manifest(wanted, present.page_token_key)
        write_next(folder, following)
    else:
        note("Going on with what was done before.")
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(folder / following.folder))
        source = await stack.enter_async_context(edge_stores(source_folder, present))
        target = await stack.enter_async_context(edge_stores(folder, following))
        vectors = vectors_for(present.space, wanted, source, embedder, encoder)
        await copy_all(source, target, vectors, prune=True)


def vectors_for(
    present: VectorSpace, wanted: VectorSpace, source: Stores, embedder: Embedder, encoder: Bm25Encoder
) -> Vectors:
    """Vectors of the space `wanted`: those that are stored where they mean the same, others made anew."""
    keeps_dense = (present.embedder, present.dimensions) == (wanted.embedder, wanted.dimensions)
    keeps_sparse = present.sparse == wanted.sparse
    return Vectors(source.chunks, None if keeps_dense else embedder, None if keeps_sparse else encoder)


async def copy_all(source: Stores, target: Stores, vectors: Vectors, *, prune: bool) -> Copied:
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


def _space(embedder: Embedder, encoder: Bm25Encoder) -> VectorSpace:
    return VectorSpace(embedder.name, embedder.dimensions, encoder.name)
