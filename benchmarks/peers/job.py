"""What a peer is given to do, and what it hands back.

Imported in the peers' environments too: needs the standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from benchmarks.processes import resident_mib

CANDIDATES = 50
"""Chunks a peer is asked for where documents are ranked: several may be of one document."""
RANKED = 10


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a peer needs."""

    documents: list[tuple[str, str, str]]
    """(id, title, text), none of them blank."""
    queries: list[tuple[str, str]]
    """(id, text)."""
    http_port: int
    grpc_port: int
    """Of an empty Qdrant server on loopback."""
    chunk_characters: int
    overlap_characters: int

    def write(self, path: Path) -> None:
        """For another process."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        """What `write` has written."""
        return cls(**json.loads(path.read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Way:
    """One way of searching."""

    latencies_ms: list[float]
    """One a query, of the best ten chunks."""
    rankings: dict[str, list[str]]
    """The best ten documents of each query."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a peer measured."""

    versions: dict[str, str]
    ingest_seconds: float
    """From the texts to the last chunk stored and searchable."""
    chunks: int
    memory_mib: float
    """Of the peer's processes after the queries, the Qdrant server not counted (PSS)."""
    ways: dict[str, Way]
    """By a name that tells them apart; a peer with one way has the name ""."""

    def write(self, path: Path) -> None:
        """For the process that started this one."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Outcome:
        """What `write` has written."""
        record = json.loads(path.read_text("utf-8"))
        return cls(**{**record, "ways": {name: Way(**way) for name, way in record["ways"].items()}})


class Peer(Protocol):
    """A library with an empty store."""

    def ingest(self, documents: Sequence[tuple[str, str, str]]) -> int:
        """Splits, embeds and stores; returns the number of chunks."""
        ...

    def search(self, query: str, limit: int) -> list[str]:
        """The document ids of the best `limit` chunks, best first, repeated as they come."""
        ...


def run_peer(build: Callable[[Job], Peer], packages: Sequence[str]) -> None:
    """Does the job in the file argv names first and writes the outcome to the second."""
    job, output = Job.read(Path(sys.argv[1])), Path(sys.argv[2])
    peer = build(job)
    began = time.perf_counter()
    chunks = peer.ingest(job.documents)
    seconds = time.perf_counter() - began
    rankings = {key: distinct(peer.search(text, CANDIDATES))[:RANKED] for key, text in job.queries}
    latencies = []
    for _, text in job.queries:
        began = time.perf_counter()
        peer.search(text, RANKED)
        latencies.append((time.perf_counter() - began) * 1e3)
    memory = resident_mib(os.getpid())
    versions = {name: version(name) for name in packages}
    Outcome(versions, seconds, chunks, memory, {"": Way(latencies, rankings)}).write(output)


def whole(title: str, text: str) -> str:
    """The text of a document as the peers get it: they have no place for a title."""
    return f"{title}\n\n{text}" if title else text


def distinct(ids: Sequence[str]) -> list[str]:
    """Each once, where it came first."""
    return list(dict.fromkeys(ids))
