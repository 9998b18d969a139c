"""The composition root of the ingest service: the one file that names concrete classes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from docuquery.ingest.v1.ingest_service_pb2_grpc import add_IngestServiceServicer_to_server
from libs.clock import Clock, SystemClock
from libs.rpc.channel import open_channel
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from libs.telemetry.measured import measured
from services.ingest import parsers
from services.ingest.chunking.fingerprint import Fingerprint
from services.ingest.parsers import again
from services.ingest.pipeline import Pipeline
from services.ingest.servicer import IngestServicer
from services.ingest.session import Session, SessionLimits
from services.ingest.settings import Settings
from services.ingest.spool.spool import Spool
from services.ingest.store.retrieval import RetrievalStore
from services.ingest.store.retry import Retry
from services.ingest.telemetry import follow, stages
from services.ingest.workers.pool import WorkerPool
from services.ingest.workers.worker_process import ReadFunction, WorkerLimits


@asynccontextmanager
async def start(
    settings: Settings,
    clock: Clock | None = None,
    read_document: ReadFunction = parsers.read,
    read_again: ReadFunction = again.read,
) -> AsyncIterator[RunningServer]:
    """Serves until the block is left, then drains.

    `read_document` is what the worker processes run for each document, `read_again` what they run for one
    of which a process has died: functions of modules.
    Raises OSError when the port is taken, the spool folder cannot be used, or no worker comes up.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        spool = stack.enter_context(
            Spool(
                settings.spool_dir,
                max_document_bytes=settings.max_document_bytes,
                max_bytes=settings.spool_max_bytes,
            )
        )
        # Before anything of gRPC's runs: the fork server should come from a process with few threads.
        pool = await stack.enter_async_context(
            WorkerPool(
                read_document,
                WorkerLimits(
                    memory_bytes=settings.worker_memory_bytes,
                    parse_seconds=settings.parse_timeout_seconds,
                    chunk_size=settings.chunk_size,
                    chunk_overlap=settings.chunk_overlap,
                    parsing=settings.parse_limits(),
                ),
                workers=settings.workers,
                max_documents=settings.worker_max_documents,
                clock=clock,
                read_again=read_again,
            )
        )
        channel = await stack.enter_async_context(
            open_channel(
                settings.retrieval_target,
                max_message_bytes=settings.max_message_bytes,
                tls=settings.client_tls,
            )
        )
        retry = Retry(budget_seconds=settings.retrieval_retry_seconds, clock=clock, rng=random.Random())  # noqa: S311 - jitter, not secrets
        store = RetrievalStore(channel, timeout_seconds=settings.retrieval_timeout_seconds, retry=retry)
        fingerprint = Fingerprint(chunk_size=settings.chunk_size, chunk_overlap=settings.chunk_overlap)
        follow(pool, spool)
        steps = {"begin": "begin", "write": "write", "finish": "commit"}
        pipeline = Pipeline(measured(store, stages, steps), pool, fingerprint)
        # Left after the server has drained and before the channel closes: failures still get recorded.
        stack.push_async_callback(pipeline.close)
        limits = SessionLimits(
            documents_in_flight=settings.documents_in_flight,
            open_uploads=settings.open_uploads,
            documents=settings.max_documents_per_stream,
            idle_seconds=settings.idle_timeout_seconds,
        )
        servicer = IngestServicer(partial(Session, spool, pipeline, limits, settings.languages()))
        yield await stack.enter_async_context(
            serve(
                name="ingest",
                settings=settings,
                services=[
                    ServiceRegistration(
                        "docuquery.ingest.v1.IngestService",
                        partial(add_IngestServiceServicer_to_server, servicer),
                    )
                ],
                clock=clock,
            )
        )
