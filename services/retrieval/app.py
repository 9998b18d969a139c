"""The composition root: the only file that names concrete stores and embedders."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from docuquery.retrieval.v1.retrieval_service_pb2_grpc import add_RetrievalServiceServicer_to_server
from libs.background import beside
from libs.clock import Clock, SystemClock
from libs.rpc.context import current_call_or_none
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from libs.telemetry.measured import measured
from services.retrieval.admin.child import compact_in_child
from services.retrieval.answers.cache import AnswerCache
from services.retrieval.answers.memory import AnswerMemory
from services.retrieval.answers.revising import RevisingDocuments
from services.retrieval.documents.lifecycle import Documents
from services.retrieval.documents.listing import Listing
from services.retrieval.documents.page_tokens import PageTokens
from services.retrieval.documents.quota import Quota
from services.retrieval.documents.records import RecordEditor
from services.retrieval.documents.sweeper import Sweeper
from services.retrieval.embedders.absent import AbsentEmbedder
from services.retrieval.embedders.fastembed import DEFAULT_MODEL as FASTEMBED_MODEL
from services.retrieval.embedders.fastembed import open_fastembed
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.embedders.openai import DEFAULT_MODEL as OPENAI_MODEL
from services.retrieval.embedders.opening import Server, open_openai
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.embedders.remote import Limits
from services.retrieval.filtering.fields import parse_filter_fields
from services.retrieval.indexing.encoder import PassageEncoder
from services.retrieval.indexing.indexer import Indexer
from services.retrieval.reindexing.changeover import Changeover, background_filler
from services.retrieval.reindexing.former import open_former
from services.retrieval.reindexing.mirror import Mirror
from services.retrieval.reindexing.sources import VectorSources
from services.retrieval.reindexing.vectors import nearest_encoder
from services.retrieval.rerankers.by_language import RerankerByLanguage
from services.retrieval.rerankers.cross_encoder import DEFAULT_MODEL as CROSS_ENCODER_MODEL
from services.retrieval.rerankers.cross_encoder import open_cross_encoder
from services.retrieval.rerankers.http import open_http
from services.retrieval.rerankers.local import LocalReranker
from services.retrieval.rerankers.protocol import Reranker
from services.retrieval.rerankers.words import WordTable
from services.retrieval.search import fusion
from services.retrieval.search.fusion import Fusion
from services.retrieval.search.passages import Passages
from services.retrieval.search.reading import Reading, Side
from services.retrieval.search.rerank_stage import RerankStage
from services.retrieval.search.searcher import Searcher
from services.retrieval.search.unrelated import Unrelated
from services.retrieval.servicer import RetrievalServicer
from services.retrieval.settings import Settings
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.telemetry import TENANTS, count_store, follow_sweeper, measured_stores, stages
from services.retrieval.terms.bm25 import Bm25Encoder

SERVICE = "docuquery.retrieval.v1.RetrievalService"

# By the value of EMBEDDING_PROVIDER, VECTOR_STORE, RERANKER and RETRIEVAL_FUSION; settings.py lists the same
# names.
EMBEDDERS: dict[str, Callable[[Settings, Clock], AbstractAsyncContextManager[Embedder]]] = {
    "local": lambda _settings, _clock: nullcontext(LocalEmbedder.load()),
    "openai": lambda settings, clock: open_openai(
        Server(
            model=settings.embedding_model or OPENAI_MODEL,
            base_url=settings.embedding_base_url,
            api_key=settings.embedding_key,
            dimensions=settings.embedding_dimensions,
        ),
        Limits(
            batch_texts=settings.embedding_batch_texts,
            batch_tokens=settings.embedding_batch_tokens,
            concurrency=settings.embedding_concurrency,
            timeout_seconds=settings.embedding_timeout_seconds,
        ),
        folder=settings.data_dir,
        cache_bytes=settings.embedding_cache_bytes,
        clock=clock,
        remaining_seconds=_remaining_seconds,
    ),
    "fastembed": lambda settings, _clock: open_fastembed(
        settings.embedding_model or FASTEMBED_MODEL,
        Path(settings.embedding_model_path) if settings.embedding_model_path else None,
        may_download=settings.embedding_download,
    ),
}
STORES: dict[str, Callable[[Settings, VectorSpace, Clock], AbstractAsyncContextManager[Stores]]] = {
    "edge": lambda settings, space, _clock: _open_edge(settings, space, settings.reindex == "background"),
    "qdrant": lambda settings, space, clock: _open_qdrant(settings, space, clock),
}
# To fill it in the space of the settings, and not to serve.
STORES_TO_FILL: dict[str, Callable[[Settings, VectorSpace, Clock], AbstractAsyncContextManager[Stores]]] = {
    "edge": lambda settings, space, _clock: _open_edge(settings, space, True),
    "qdrant": lambda settings, space, clock: _open_qdrant(settings, space, clock, may_begin=True),
}
RERANKERS: dict[
    str, Callable[[Settings, Stores, Embedder, Bm25Encoder], AbstractAsyncContextManager[Reranker]]
] = {
    "local": lambda _settings, stores, embedder, encoder: nullcontext(
        _local_reranker(stores, embedder, encoder)
    ),
    "http": lambda settings, *_: open_http(
        settings.rerank_url,
        api_key=settings.rerank_api_key.get_secret_value(),
        model=settings.rerank_model,
        timeout_seconds=settings.rerank_timeout_seconds,
    ),
    "cross-encoder": lambda settings, *_: open_cross_encoder(
        settings.rerank_model or CROSS_ENCODER_MODEL,
        Path(settings.rerank_model_path) if settings.rerank_model_path else None,
        may_download=settings.rerank_download,
    ),
}
FUSIONS: dict[str, Fusion] = {"min_max": fusion.MinMax, "rrf": fusion.ReciprocalRank}


@asynccontextmanager
async def start(settings: Settings, clock: Clock | None = None) -> AsyncIterator[RunningServer]:
    """Opens the store, cleans up after a crash, serves; on leaving drains, then closes the store.

    Raises STORE_UNAVAILABLE when another process holds the data folder or no Qdrant node answers,
    STORE_MISMATCH when the store was filled by another embedder, OSError when the port is taken.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        opening = EMBEDDERS[settings.embedding_provider](settings, clock)
        embedder = await stack.enter_async_context(opening)
        encoder = Bm25Encoder(settings.bm25_language)
        space = VectorSpace(embedder.name, embedder.dimensions, encoder.name)
        if settings.compact_on_start and settings.vector_store == "edge":
            await compact_in_child(settings.data_dir)
        stores = await stack.enter_async_context(STORES[settings.vector_store](settings, space, clock))
        editor = RecordEditor(stores.records, clock)
        sweeper = Sweeper(stores, editor, clock, settings.old_version_grace_seconds)
        lease = timedelta(seconds=settings.ingest_lease_seconds)
        quota = Quota(settings.quota_documents, settings.quota_bytes)
        await sweeper.recover()
        answers = None
        if settings.enable_semantic_cache:
            await stores.revisions.advance_all()
            answers = _answer_cache(settings, stores, embedder, clock)
        documents_class = RevisingDocuments if answers else Documents
        await stack.enter_async_context(beside("sweeper", sweeper.run, clock))
        follow_sweeper(sweeper)
        if TENANTS.is_on:
            await stack.enter_async_context(beside("count_store", partial(count_store, stores, clock), clock))

        side = await _side(stack, settings, stores, embedder, encoder)
        reading, others = Reading(side), {}
        if not stores.spaces.kept.is_whole(space):
            former = await open_former(
                stack,
                stores.spaces.kept.current.space,
                settings,
                lambda there: EMBEDDERS[there.embedding_provider](there, clock),
            )
            reading = Reading(await _former_side(stack, settings, stores, former, encoder))
            others = {former.name: former} if former else {}
        sources = VectorSources(embedder, encoder, others, load_local=LocalEmbedder.load)
        mirror = Mirror(stores, sources)

        async def switch_over() -> None:
            reading.switch(side)
            await stores.revisions.advance_all()  # answers may be better now

        grace_seconds = settings.old_version_grace_seconds
        filler = background_filler(stores, sources(space), clock, grace_seconds)
        changeover = Changeover(stores.spaces, filler, clock, grace_seconds, switch_over)
        await changeover.catch_up()
        await stack.enter_async_context(beside("changeover", changeover.run, clock))

        passage_encoder = PassageEncoder(
            measured(embedder, stages, {"embed_passages": "embed_passages"}), encoder
        )
        servicer = RetrievalServicer(
            documents=documents_class(stores, editor, sweeper, clock, lease, quota, mirror.settle),
            indexer=Indexer(
                stores, measured(mirror, stages, {"write": "write"}), editor, passage_encoder, clock, lease
            ),
            listing=Listing(stores.records, PageTokens(stores.page_token_key), clock),
            reading=reading,
            changeover=changeover,
            answers=answers,
            score_threshold=settings.score_threshold,
            store=stores.name,
        )
        registration = ServiceRegistration(SERVICE, partial(add_RetrievalServiceServicer_to_server, servicer))
        server = await stack.enter_async_context(
            serve(name="retrieval", settings=settings, services=[registration], clock=clock)
        )
        yield server


def _local_reranker(stores: Stores, embedder: Embedder, encoder: Bm25Encoder) -> Reranker:
    # Its word vectors, which cost no time, whoever embeds the passages.
    words = embedder if isinstance(embedder, LocalEmbedder) else LocalEmbedder.load()
    return RerankerByLanguage(lambda terms: LocalReranker(WordTable(words, terms), stores.chunks), encoder)


async def _side(
    stack: AsyncExitStack, settings: Settings, stores: Stores, embedder: Embedder, encoder: Bm25Encoder
) -> Side:
    """What answers from `stores.chunks`."""
    opening = RERANKERS[settings.reranker](settings, stores, embedder, encoder)
    reranker = measured(await stack.enter_async_context(opening), stages, {"rerank": "rerank"})
    rerank_stage = RerankStage(
        reranker,
        candidates=settings.rerank_candidates or reranker.default_candidates,
        timeout_seconds=settings.rerank_timeout_seconds,
        by_default=settings.enable_reranking,
    )
    fused_by, dense_weight = FUSIONS[settings.fusion], settings.dense_weight
    asked = measured(embedder, stages, {"embed_query": "embed"})
    searcher = Searcher(
        measured_stores(stores), asked, Unrelated(embedder), encoder, fused_by, dense_weight, rerank_stage
    )
    return Side(embedder.name, searcher, Passages(stores))


async def _former_side(
    stack: AsyncExitStack,
    settings: Settings,
    stores: Stores,
    embedder: Embedder | None,
    encoder: Bm25Encoder,
) -> Side:
    """What answers until the space of the settings is whole; without the `embedder`, by words alone."""
    space = stores.spaces.kept.current.space
    return await _side(
        stack,
        settings,
        replace(stores, chunks=stores.spaces.chunks(space)),
        embedder or AbsentEmbedder(space.embedder, space.dimensions),
        nearest_encoder(space.sparse) or encoder,
    )


def _answer_cache(settings: Settings, stores: Stores, embedder: Embedder, clock: Clock) -> AnswerCache:
    memory = AnswerMemory(
        clock,
        ttl_seconds=settings.semantic_cache_ttl_seconds,
        max_entries=settings.semantic_cache_max_entries,
        max_bytes=settings.semantic_cache_max_bytes,
    )
    return AnswerCache(stores.revisions, stores.records, embedder, memory, settings.semantic_cache_similarity)


def _open_edge(settings: Settings, space: VectorSpace, begin: bool) -> AbstractAsyncContextManager[Stores]:
    limits = settings.edge_warn_chunks, settings.edge_min_free_bytes
    return open_edge(settings.data_dir, space, *limits, may_begin=begin)


def _open_qdrant(
    settings: Settings, space: VectorSpace, clock: Clock, *, may_begin: bool = False
) -> AbstractAsyncContextManager[Stores]:
    # Its client takes over a second to load; the embedded store has no need of it.
    from services.retrieval.store.server.layout import Layout
    from services.retrieval.store.server.opening import ServerOptions, open_server

    options = ServerOptions(
        addresses=settings.qdrant_nodes,
        api_key=settings.qdrant_api_key.get_secret_value(),
        collection_prefix=settings.qdrant_collection,
        layout=Layout(
            settings.qdrant_replication_factor,
            settings.qdrant_write_consistency_factor,
            settings.qdrant_shard_number,
        ),
        timeout_seconds=settings.qdrant_timeout_seconds,
        filter_fields=parse_filter_fields(settings.filter_fields),
    )
    return open_server(options, space, clock, may_begin=may_begin)


def _remaining_seconds() -> float:
    call = current_call_or_none()
    return call.deadline.remaining() if call else math.inf
