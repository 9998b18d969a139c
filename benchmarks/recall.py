"""How much of what an exact search finds the vector index of a Qdrant server finds.

    python -m benchmarks.recall --data FOLDER [--questions N] PATH...

FOLDER is what `benchmarks.search --store server --data FOLDER PATH...` left; questions are drawn as there.
Prints which share of the exact 10 and 100 nearest chunks are among as many that the index gives, and how long
the server says each kind of search took.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from qdrant_client import grpc as q

from benchmarks.qdrant_server import one_server
from benchmarks.texts import questions, sentences_of
from libs.clock import SystemClock
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.store.server.connection.addresses import parse_addresses
from services.retrieval.store.server.connection.nodes import Nodes, open_nodes
from services.retrieval.store.server.connection.points import APPROXIMATE, DENSE, NONE, every, has_text

_TENANT = "default"
_DEPTH = 100
_TIMEOUT_SECONDS = 60.0


class Index:
    """The vector index of one tenant, asked as retrieval asks it, or exactly."""

    def __init__(self, nodes: Nodes, collection: str) -> None:
        self._nodes = nodes
        self._collection = collection
        self.seconds: list[float] = []

    async def nearest(self, vector: Sequence[float], *, exact: bool) -> list[str]:
        """Ids, best first."""
        request = q.QueryPoints(
            collection_name=self._collection,
            query=q.Query(nearest=q.VectorInput(dense=q.DenseVector(data=vector))),
            using=DENSE,
            filter=every(has_text("tenant", _TENANT)),
            limit=_DEPTH,
            params=q.SearchParams(exact=True) if exact else APPROXIMATE,
            with_payload=NONE,
        )
        reply = await self._nodes.points("Query", request)
        self.seconds.append(reply.time)
        return [point.id.uuid for point in reply.result]


async def measure(url: str, asked: Sequence[str]) -> None:
    """Asks both ways, prints."""
    embedder = LocalEmbedder.load()
    collection = f"{os.environ.get('QDRANT_COLLECTION', 'docuquery')}_chunks"
    async with open_nodes(parse_addresses(url), "", _TIMEOUT_SECONDS, SystemClock()) as nodes:
        approximate, exact = Index(nodes, collection), Index(nodes, collection)
        shares: dict[int, list[float]] = {10: [], _DEPTH: []}
        for question in asked:
            vector = (await embedder.embed_query(question)).tolist()
            found = await approximate.nearest(vector, exact=False)
            wanted = await exact.nearest(vector, exact=True)
            for depth, of in shares.items():
                of.append(len({*found[:depth]} & {*wanted[:depth]}) / max(1, len(wanted[:depth])))
    for depth, of in shares.items():
        print(f"recall@{depth}: {statistics.mean(of):.3f}")
    for name, index in (("index", approximate), ("exact", exact)):
        print(f"{name}: {statistics.median(index.seconds) * 1e3:.2f} ms in the server")


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.recall")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    draw = questions(sentences_of(arguments.paths), random.Random(3))
    asked = [next(draw) for _ in range(arguments.questions)]
    with one_server(arguments.data.resolve() / "server") as server:
        asyncio.run(measure(server.url, asked))


if __name__ == "__main__":
    main()
