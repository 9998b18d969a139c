"""One measurement from the upload to the figures."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.evaluation.beir import RetrievalDataset
from docuquery_client.evaluation.ranking import PASSAGES_PER_QUERY, Rankings, rank
from docuquery_client.evaluation.report import Report, Setting, mean_metrics
from docuquery_client.evaluation.upload import Uploaded, ids_of, upload, write_files

Progress: TypeAlias = "Callable[[str, int], AbstractContextManager[Callable[[], None]]]"
"""Opens a stage of so many steps; what it gives is called after each step."""


@dataclass(frozen=True, slots=True)
class ModeResult:
    """One search mode, measured."""

    report: Report
    found: Rankings


@dataclass(slots=True)
class Evaluation:
    """What a measurement brought."""

    uploaded: Uploaded
    upload_seconds: float
    results: list[ModeResult] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the server took every document and every query, and did all searches as configured."""
        return not self.uploaded.failures and not any(
            result.found.refused or result.found.degraded for result in self.results
        )


async def evaluate(
    client: AsyncDocuQuery,
    dataset: RetrievalDataset,
    modes: Mapping[str, SearchMode.ValueType],
    *,
    concurrency: int,
    settings: Mapping[str, Setting],
    progress: Progress,
) -> Evaluation:
    """Uploads the collection, then asks its queries in each of `modes`, which are by name.

    `settings` say what the caller knows of the server; what the server says of itself is added to them.
    Raises ApiError when the server fails, OSError when the documents cannot be written to a temporary
    folder.
    """
    with tempfile.TemporaryDirectory(prefix="docuquery-eval-files-") as folder:
        files = await asyncio.to_thread(write_files, dataset, Path(folder))
        started = time.monotonic()
        with progress("documents", len(files)) as step:
            uploaded = await upload(
                client, files, ids_of(dataset), max_in_flight=concurrency, on_finished=step
            )
    uploaded.blank = len(dataset.documents) - len(files)
    evaluation = Evaluation(uploaded, time.monotonic() - started)
    about = {
        **settings,
        **await about_server(client),
        "documents": uploaded.finished - len(uploaded.failures),
    }
    for name, mode in modes.items():
        started = time.monotonic()
        with progress(f"{name} queries", len(dataset.queries)) as step:
            found = await rank(
                client, dataset.queries, uploaded.ids, mode, concurrency=concurrency, on_finished=step
            )
        conditions = {**about, **_conditions(dataset, found), "search_seconds": seconds_since(started)}
        metrics = mean_metrics(dataset.queries, found.rankings)
        evaluation.results.append(ModeResult(Report(dataset.name, name, conditions, metrics), found))
    return evaluation


async def about_server(client: AsyncDocuQuery) -> dict[str, Setting]:
    """What the server says of itself. Raises ApiError."""
    stats = await client.get_stats()
    return {
        "server_version": (await client.get_system_status()).version,
        "embedder": stats.embedder,
        "store": stats.store,
        "chunks": stats.chunk_count,
        "characters": stats.character_count,
    }


def _conditions(dataset: RetrievalDataset, found: Rankings) -> dict[str, Setting]:
    return {
        "queries": len(dataset.queries),
        "refused_queries": len(found.refused),
        "degraded_searches": dict(found.degraded),
        "passages_per_query": PASSAGES_PER_QUERY,
        "mean_documents_per_query": round(found.mean_documents, 1),
    }


def seconds_since(started: float) -> float:
    """Seconds of the monotonic clock, for a report."""
    return round(time.monotonic() - started, 3)
