"""One measurement from the upload to the figures."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from docuquery.common.v1.passage_pb2 import Passage, SearchMode
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.ranking import Query, Rankings, SearchOptions, rank
from docuquery_client.evaluation.report import QuestionResult, Report, Setting, latency, summed_up
from docuquery_client.evaluation.scores import Scores
from docuquery_client.evaluation.upload import Uploaded, upload
from docuquery_client.upload_files import UploadFile

Progress: TypeAlias = "Callable[[str, int], AbstractContextManager[Callable[[], None]]]"
"""Opens a stage of so many steps; what it gives is called after each step."""


Item = TypeVar("Item")


class Collection(Protocol[Item]):
    """What is asked of a collection: files, queries, and how good what comes back is."""

    @property
    def name(self) -> str:
        """The folder's name."""
        ...

    @property
    def queries(self) -> Sequence[Query]:
        """In the order of their file; at least one."""
        ...

    @property
    def blank(self) -> int:
        """Documents without text, which no store takes: they are not sent."""
        ...

    @property
    def passages_per_query(self) -> int:
        """How many to ask for, 1 to 200."""
        ...

    def files(self, folder: Path) -> list[UploadFile]:
        """Its documents as files, written to `folder` where they are none yet. Raises OSError."""
        ...

    def read(self, passages: Iterable[Passage]) -> tuple[Item, ...]:
        """What of the passages of a reply, best first, is judged."""
        ...

    @property
    def questions_sha256(self) -> str:
        """Of the queries and what is relevant to them (`records.fingerprint`)."""
        ...

    def scores(self, found: Mapping[str, tuple[Item, ...]]) -> Mapping[str, Scores]:
        """What each query scores, by its id; `found` has what was read for each query, by its id."""
        ...

    def conditions(self, found: Mapping[str, tuple[Item, ...]]) -> Mapping[str, Setting]:
        """What else belongs to the figures; `found` as above."""
        ...


@dataclass(frozen=True, slots=True)
class ModeResult:
    """One search mode, measured."""

    report: Report
    refused: Mapping[str, ApiError]
    """Queries the server does not take, by id; they count as not answered."""
    degraded: Mapping[str, int]
    """How many searches were made less well than configured, by the kind of that."""


@dataclass(slots=True)
class Evaluation:
    """What a measurement brought."""

    uploaded: Uploaded
    upload_seconds: float
    blank: int
    """Documents without text, which were left out."""
    results: list[ModeResult] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the server took every document and every query, and did all searches as configured."""
        return not self.uploaded.failures and not any(
            result.refused or result.degraded for result in self.results
        )


async def evaluate(
    client: AsyncDocuQuery,
    collection: Collection[Item],
    modes: Mapping[str, SearchMode.ValueType],
    *,
    rerank: bool | None,
    concurrency: int,
    settings: Mapping[str, Setting],
    progress: Progress,
) -> Evaluation:
    """Uploads the collection, then asks its queries in each of `modes`, which are by name.

    `rerank` None leaves it to the server. `settings` say what the caller knows of the server; what the
    server says of itself is added to them. Raises ApiError when the server fails, OSError when the documents
    cannot be written to a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="docuquery-eval-files-") as folder:
        files = await asyncio.to_thread(collection.files, Path(folder))
        started = time.monotonic()
        with progress("documents", len(files)) as step:
            uploaded = await upload(client, files, max_in_flight=concurrency, on_finished=step)
    evaluation = Evaluation(uploaded, time.monotonic() - started, collection.blank)
    documents = uploaded.finished - len(uploaded.failures)
    about = {**settings, **await about_server(client), "documents": documents, "rerank": rerank}
    for name, mode in modes.items():
        started = time.monotonic()
        options = SearchOptions(mode, collection.passages_per_query, rerank)
        with progress(f"{name} queries", len(collection.queries)) as step:
            found = await rank(
                client,
                collection.queries,
                collection.read,
                options,
                concurrency=concurrency,
                on_finished=step,
            )
        took = seconds_since(started)
        scores = collection.scores(found.rankings)
        questions = [
            QuestionResult(query.id, query.text, scores[query.id], seconds=found.seconds.get(query.id))
            for query in collection.queries
        ]
        conditions: dict[str, Setting] = {
            **about,
            **_conditions(collection, found),
            "search_seconds": took,
            "latency_seconds": latency(questions),
        }
        report = summed_up(collection.name, name, conditions, questions, collection.questions_sha256)
        evaluation.results.append(ModeResult(report, found.refused, found.degraded))
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


def _conditions(collection: Collection[Item], found: Rankings[Item]) -> dict[str, Setting]:
    return {
        "queries": len(collection.queries),
        "refused_queries": len(found.refused),
        "degraded_searches": dict(found.degraded),
        "passages_per_query": collection.passages_per_query,
        **collection.conditions(found.rankings),
    }


def seconds_since(started: float) -> float:
    """Seconds of the monotonic clock, for a report."""
    return round(time.monotonic() - started, 3)
