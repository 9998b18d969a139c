"""What a filter adds to a search in the store, by kind of condition and by how much passes.

    python -m benchmarks.filters [--documents N] [--qdrant URL] [--declared FIELDS]

N documents of one chunk each, with a number, a group and a day in their metadata, go into an embedded store,
or into new collections on the Qdrant server at URL (its gRPC port), which are dropped afterwards. For each
filter: the time of the first search in the store, records of the hits included, and the median of the next
six, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from qdrant_client import grpc as q

from libs.clock import SystemClock
from services.retrieval.filtering.conditions import Condition, Equals, Exists, Filter, NumberRange, TimeRange
from services.retrieval.filtering.fields import parse_filter_fields
from services.retrieval.model import (
    Attempt,
    Chunk,
    ChunkKey,
    Description,
    DocumentRecord,
    DocumentType,
    LiveVersion,
    Span,
    Stage,
    Status,
)
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import ChunkQuery, EmbeddedChunk, SparseVector
from services.retrieval.store.server.connection.addresses import parse_addresses
from services.retrieval.store.server.connection.nodes import open_nodes
from services.retrieval.store.server.layout import Layout
from services.retrieval.store.server.opening import ServerOptions, open_server
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores

_SPACE = VectorSpace("benchmark/16", 16, "benchmark")
_TENANT = "benchmark"
_START = datetime(2020, 1, 1, tzinfo=UTC)
_AT_ONCE = 200
_TERMS = 500
_DEPTH = 100


def filters(documents: int) -> dict[str, Filter]:
    """By what people read."""

    def one(field: str, test: Equals | NumberRange | TimeRange | Exists, negate: bool = False) -> Filter:
        return Filter((Condition(field, test, negate),))

    day = _START + timedelta(days=documents // 100)
    return {
        "none": Filter(),
        "equals, 2 %": one("metadata.group", Equals(7)),
        "not equals, 98 %": one("metadata.group", Equals(7), negate=True),
        "number, 1 %": one("metadata.number", NumberRange(lt=documents / 100)),
        "number, 10 %": one("metadata.number", NumberRange(lt=documents / 10)),
        "number, 50 %": one("metadata.number", NumberRange(lt=documents / 2)),
        "time, 1 %": one("metadata.day", TimeRange(end=day)),
        "create_time, 1 %": one("create_time", TimeRange(end=_START + timedelta(seconds=documents / 100))),
        "not there, all": one("metadata.nothing", Exists(False)),
    }


def record(number: int) -> DocumentRecord:
    """A live document of one chunk."""
    created = _START + timedelta(seconds=number)
    day = (_START + timedelta(days=number)).date().isoformat() if number < 700_000 else ""
    description = Description(
        f"{number}.txt", DocumentType.TEXT, 100, {"number": number, "group": number % 50, "day": day}
    )
    attempt_id = str(uuid.uuid4())
    return DocumentRecord(
        document_id=str(uuid.UUID(int=number + 1)),
        source=f"{number}.txt",
        create_time=created,
        update_time=created,
        attempt=Attempt(
            attempt_id, "a" * 64, Status.INDEXED, Stage.DONE, description, created, created, created
        ),
        live=LiveVersion(attempt_id, "a" * 64, description, "", 1, 0, 4, 1, replaced=False),
        revision=1,
    )


async def fill(stores: Stores, documents: int) -> None:
    """Records, and chunks of random vectors and terms."""
    rng = np.random.default_rng(1)
    for start in range(0, documents, _AT_ONCE):
        records = [record(number) for number in range(start, min(documents, start + _AT_ONCE))]
        await asyncio.gather(*(stores.records.put(_TENANT, r, expected_revision=None) for r in records))
        chunks = []
        for item in records:
            dense = rng.standard_normal(_SPACE.dimensions).astype(np.float32)
            terms = tuple(sorted({int(term) for term in rng.integers(0, _TERMS, 12)}))
            chunks.append(
                EmbeddedChunk(
                    Chunk(ChunkKey(item.attempt.attempt_id, 0), item.document_id, "text", Span(0, 4, 0, 4)),
                    dense / np.float32(np.linalg.norm(dense)),
                    SparseVector(terms, (1.0,) * len(terms)),
                )
            )
        await stores.chunks.write(_TENANT, chunks)


async def search(stores: Stores, wanted: Filter) -> float:
    """Milliseconds of one search."""
    dense = np.ones(_SPACE.dimensions, dtype=np.float32) / np.float32(_SPACE.dimensions**0.5)
    query = ChunkQuery(dense, SparseVector((3, 9, 77, 200, 301), (1.0,) * 5), _DEPTH, wanted)
    started = time.perf_counter()
    legs = await stores.chunks.search(_TENANT, query)
    hits = {key.attempt_id for leg in (legs.dense, legs.sparse) if leg for key in leg.hits}
    await stores.records.live(_TENANT, hits)
    return (time.perf_counter() - started) * 1000


@asynccontextmanager
async def opened(url: str, declared: str) -> AsyncIterator[Stores]:
    """The store to measure; gone afterwards."""
    if not url:
        with tempfile.TemporaryDirectory() as folder:
            async with open_edge(Path(folder), _SPACE) as stores:
                yield stores
        return
    prefix = f"benchmark_{secrets.token_hex(4)}"
    layout = Layout(replication_factor=1, write_consistency_factor=1, shard_number=1)
    options = ServerOptions(parse_addresses(url), "", prefix, layout, 60.0, parse_filter_fields(declared))
    try:
        async with open_server(options, _SPACE, SystemClock()) as stores:
            yield stores
    finally:
        async with open_nodes(options.addresses, "", 60.0, SystemClock()) as nodes:
            for name in ("chunks", "documents"):
                await nodes.collections("Delete", q.DeleteCollection(collection_name=f"{prefix}_{name}"))


async def run(documents: int, url: str, declared: str) -> None:
    """Fills, asks, prints."""
    async with opened(url, declared) as stores:
        await fill(stores, documents)
        for name, wanted in filters(documents).items():
            first, *rest = [await search(stores, wanted) for _ in range(7)]
            print(f"{name:18} {first:8.1f} {statistics.median(rest):8.1f}")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.filters")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--qdrant", default="", metavar="URL")
    parser.add_argument("--declared", default="number:number,day:time", metavar="FIELDS")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.documents, arguments.qdrant, arguments.declared))


if __name__ == "__main__":
    main()
