"""The composition root: the only file that names concrete stores and embedders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

from docuquery.retrieval.v1.retrieval_service_pb2_grpc import add_RetrievalServiceServicer_to_server
from libs.clock import Clock, SystemClock
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from services.retrieval import fusion
from services.retrieval.documents import Documents
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.fusion import Fuse
from services.retrieval.indexing import Indexer
from services.retrieval.listing import Listing
from services.retrieval.page_tokens import PageTokens
from services.retrieval.passages import Passages
from services.retrieval.records import RecordEditor
from services.retrieval.search import Searcher
from services.retrieval.servicer import RetrievalServicer
from services.retrieval.settings import Settings
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.edge import open_edge
from services.retrieval.store.manifest import VectorSpace
from services.retrieval.store.protocol import Stores
from services.retrieval.sweeper import Sweeper

SERVICE = "docuquery.retrieval.v1.RetrievalService"

# By the value of EMBEDDING_PROVIDER, VECTOR_STORE and RETRIEVAL_FUSION; settings.py lists the same names.
EMBEDDERS: dict[str, Callable[[Settings], Embedder]] = {"local": lambda _settings: LocalEmbedder.load()}
STORES: dict[str, Callable[[Settings, VectorSpace], AbstractAsyncContextManager[Stores]]] = {
    "edge": lambda settings, space: open_edge(settings.data_dir, space)
}
FUSIONS: dict[str, Fuse] = {"min_max": fusion.min_max, "rrf": fusion.reciprocal_rank}


@asynccontextmanager
async def start(settings: Settings, clock: Clock | None = None) -> AsyncIterator[RunningServer]:
    """Opens the store, cleans up after a crash, serves; on leaving drains, then closes the store.

    Raises STORE_UNAVAILABLE when another process holds the data folder, STORE_MISMATCH when it was filled
    by another embedder, OSError when the port is taken.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        embedder = EMBEDDERS[settings.embedding_provider](settings)
        encoder = Bm25Encoder(settings.bm25_language)
        space = VectorSpace(embedder.name, embedder.dimensions, encoder.name)
        stores = await stack.enter_async_context(STORES[settings.vector_store](settings, space))

        editor = RecordEditor(stores.records, clock)
        sweeper = Sweeper(stores, editor, clock, settings.old_version_grace_seconds)
        lease = timedelta(seconds=settings.ingest_lease_seconds)
        await sweeper.recover()
        await stack.enter_async_context(_running(sweeper))

        servicer = RetrievalServicer(
            documents=Documents(stores, editor, sweeper, clock, lease),
            indexer=Indexer(stores, editor, embedder, encoder, clock, lease),
            listing=Listing(stores.records, PageTokens(stores.page_token_key), clock),
            searcher=Searcher(stores, embedder, encoder, FUSIONS[settings.fusion], settings.dense_weight),
            passages=Passages(stores),
            score_threshold=settings.score_threshold,
            embedder=embedder.name,
            store=stores.name,
        )
        registration = ServiceRegistration(SERVICE, partial(add_RetrievalServiceServicer_to_server, servicer))
        server = await stack.enter_async_context(
            serve(name="retrieval", settings=settings, services=[registration], clock=clock)
        )
        yield server


@asynccontextmanager
async def _running(sweeper: Sweeper) -> AsyncIterator[None]:
    task = asyncio.create_task(sweeper.run(), name="sweeper")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
