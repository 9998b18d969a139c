"""How long a change of the embedded store to another vector space holds up its process, turn by turn.

    python -m benchmarks.reindex [--chunks N] PATH...

Fills a store with N chunks of sentences drawn at random from the text files in PATH, then fills a second
space beside it (the local embedder and another language) as the serving process does, and measures the
processor time between two turns of a task that does nothing else. So other work on the machine does not
count. Prints the turns of more than a millisecond, and how long the switch took.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.texts import sentences_of
from libs.clock import SystemClock
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.embedders.local import DIMENSIONS, LocalEmbedder
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
from services.retrieval.reindexing.filler import SpaceFiller
from services.retrieval.reindexing.pace import Pace
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.vectors import SpaceVectors
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder

_TENANT = "benchmark"
_CHUNKS_A_DOCUMENT = 50
_SENTENCES_A_CHUNK = 5
_WORTH_COUNTING_SECONDS = 1e-3


def record(number: int) -> DocumentRecord:
    """A live document."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    token, description = new_attempt_id(), Description(f"{number}.txt", DocumentType.TEXT, 1000, {})
    attempt = Attempt(token, "v", Status.INDEXED, Stage.DONE, description, now, now, now)
    live = LiveVersion(token, "v", description, "", _CHUNKS_A_DOCUMENT, 0, 1, 0, replaced=False)
    document_id = f"00000000-0000-5000-8000-{number:012d}"
    return DocumentRecord(document_id, f"{number}.txt", now, now, attempt, live, revision=1)


async def fill_former(stores: Stores, encoder: Bm25Encoder, sentences: list[str], wanted: int) -> int:
    """Stores documents until there are `wanted` chunks; returns how many there are."""
    rng, noise = random.Random(1), np.random.default_rng(1)
    stored = 0
    while stored < wanted:
        made = record(stored)
        vectors = noise.normal(size=(_CHUNKS_A_DOCUMENT, DIMENSIONS)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        chunks = []
        for ordinal, vector in enumerate(vectors):
            text = " ".join(rng.choices(sentences, k=_SENTENCES_A_CHUNK))
            key = ChunkKey(made.attempt.attempt_id, ordinal)
            chunk = Chunk(key, made.document_id, text, Span(0, len(text), 0, len(text.encode())))
            chunks.append(EmbeddedChunk(chunk, vector, encoder.document(text, chunk.language)))
        await stores.chunks.write(_TENANT, chunks)
        await stores.records.put(_TENANT, made, expected_revision=None)
        stored += _CHUNKS_A_DOCUMENT
    return stored


async def turns_of(work: asyncio.Task[object]) -> list[float]:
    """Processor time between two turns of this task, until `work` is done, in seconds."""
    found = []
    last = time.process_time()
    while not work.done():  # its turns are what is measured
        await asyncio.sleep(0)
        now = time.process_time()
        found.append(now - last)
        last = now
    return found


async def measure(arguments: argparse.Namespace) -> None:
    """Fills both spaces, prints."""
    sentences = sentences_of(arguments.paths)
    former, wanted = Bm25Encoder("english"), Bm25Encoder("german")
    embedder, clock = LocalEmbedder.load(), SystemClock()
    with tempfile.TemporaryDirectory() as name:
        async with open_edge(Path(name), VectorSpace("former", DIMENSIONS, former.name)) as stores:
            stored = await fill_former(stores, former, sentences, arguments.chunks)
        space = VectorSpace(embedder.name, DIMENSIONS, wanted.name)
        async with open_edge(Path(name), space, may_begin=True) as stores:
            await stores.records.get(_TENANT, "")  # opens the tenant, as a serving process has
            filler = SpaceFiller(
                stores,
                SpaceVectors(embedder, wanted),
                clock,
                patience=Patience(clock, print),
                pace=Pace(clock, rest=1.0),
                batches_at_once=2,
                grace_seconds=0.0,
            )
            work: asyncio.Task[object] = asyncio.create_task(filler.fill())
            turns = [turn for turn in await turns_of(work) if turn > _WORTH_COUNTING_SECONDS]
            work.result()
            began = time.process_time()
            switched = await stores.spaces.switch(filler.filled)
            switch = time.process_time() - began
    cuts = np.percentile(turns, [50, 99, 99.9]) * 1e3
    print(f"{stored} chunks: {len(turns)} turns of more than a millisecond, {sum(turns):.1f} s CPU")
    print(f"p50 {cuts[0]:.1f}  p99 {cuts[1]:.1f}  p99.9 {cuts[2]:.1f}  longest {max(turns) * 1e3:.1f} ms CPU")
    print(f"switch: {switch * 1e3:.1f} ms CPU" if switched else "not switched")


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.reindex")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--chunks", type=int, default=10_000)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
