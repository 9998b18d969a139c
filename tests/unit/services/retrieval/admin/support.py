"""A store with documents in it, and an embedder of another kind."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord, Span
from services.retrieval.store.edge.manifest import read_manifest
from services.retrieval.store.edge.opening import edge_stores, open_edge
from services.retrieval.store.protocol import TextBlock
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder
from tests.contract.retrieval_samples import record

TENANT = "acme"
ENCODER = Bm25Encoder("english")


class HashEmbedder:
    """A vector that depends on the text alone; counts the texts it was given."""

    def __init__(self, name: str = "test/hash", dimensions: int = 8) -> None:
        self.name = name
        self.dimensions = dimensions
        self.embedded = 0
        self.batch_texts = 32

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        return np.stack([await self.embed_query(text) for text in texts])

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        seed = zlib.crc32(f"{self.name}:{text}".encode())
        vector = np.random.default_rng(seed).standard_normal(self.dimensions).astype(np.float32)
        return vector / np.float32(np.linalg.norm(vector))


FIRST = HashEmbedder("test/first", 8)
SPACE = VectorSpace(FIRST.name, FIRST.dimensions, ENCODER.name)


def document(number: int, paragraphs: Sequence[str]) -> tuple[DocumentRecord, list[Chunk], list[TextBlock]]:
    """A live document of one chunk a paragraph, its text in blocks of 40 characters."""
    text = "\n".join(paragraphs)
    base = record(number, chunks=len(paragraphs))
    assert base.live is not None
    starts = range(0, len(text), 40)
    blocks = [
        TextBlock(Span(s, min(s + 40, len(text)), s, min(s + 40, len(text))), text[s:][:40]) for s in starts
    ]
    chunks, at = [], 0
    for ordinal, paragraph in enumerate(paragraphs):
        span = Span(at, at + len(paragraph), at, at + len(paragraph))
        key = ChunkKey(base.live.attempt_id, ordinal)
        chunks.append(Chunk(key, base.document_id, paragraph, span, headings=("Part",), title="Title"))
        at += len(paragraph) + 1
    live = replace(base.live, character_count=len(text), text_block_count=len(blocks))
    return replace(base, live=live), chunks, blocks


def paragraphs_of(number: int, count: int = 4) -> list[str]:
    """Paragraphs of words that name the document and the place."""
    return [f"Entry {i} of document {number} is about thing{number}x{i}." for i in range(count)]


async def put(
    stores: Stores,
    number: int,
    paragraphs: Sequence[str] | None = None,
    tenant: str = TENANT,
    embedder: HashEmbedder | None = None,
) -> DocumentRecord:
    """Stores document `number`, or a new version of it."""
    made, chunks, blocks = document(number, paragraphs or paragraphs_of(number))
    present = await stores.records.get(tenant, made.document_id)
    if present is not None:
        made = replace(made, revision=present.revision + 1, update_time=present.update_time)
    attempt_id = made.attempt.attempt_id
    await stores.texts.write(tenant, attempt_id, blocks)
    rows = await (embedder or FIRST).embed_passages([chunk.text for chunk in chunks])
    await stores.chunks.write(
        tenant,
        [
            EmbeddedChunk(chunk, row, ENCODER.document(chunk.text, chunk.language))
            for chunk, row in zip(chunks, rows, strict=True)
        ],
    )
    assert await stores.records.put(
        tenant, made, expected_revision=None if present is None else present.revision
    )
    return made


async def fill(folder: Path, documents: int = 3, tenants: Sequence[str] = (TENANT,)) -> None:
    """A store of so many documents for each tenant."""
    async with open_edge(folder, SPACE) as stores:
        for tenant in tenants:
            for number in range(1, documents + 1):
                await put(stores, number, tenant=tenant)


async def put_unfinished(stores: Stores, number: int) -> str:
    """Chunks of an attempt no record names, as a crash leaves them; the attempt's id."""
    _, chunks, _ = document(number, paragraphs_of(number))
    attempt_id = new_attempt_id()
    lost = [replace(chunk, key=ChunkKey(attempt_id, chunk.key.ordinal)) for chunk in chunks]
    rows = await FIRST.embed_passages([chunk.text for chunk in lost])
    await stores.chunks.write(
        TENANT,
        [
            EmbeddedChunk(chunk, row, ENCODER.document(chunk.text, chunk.language))
            for chunk, row in zip(lost, rows, strict=True)
        ],
    )
    return attempt_id


async def everything(folder: Path, tenants: Sequence[str] = (TENANT,)) -> dict[str, object]:
    """What a store holds, by kind, tenant and key: records, text, and chunks with their vectors rounded."""
    manifest = read_manifest(folder)
    assert manifest is not None
    async with edge_stores(folder, manifest) as stores:
        return await contents(stores, tenants)


async def contents(stores: Stores, tenants: Sequence[str] = (TENANT,)) -> dict[str, object]:
    """As `everything`, of an opened store."""
    found: dict[str, object] = {}
    for tenant in tenants:
        for number in range(1, 50):
            stored = await stores.records.get(tenant, record(number).document_id)
            if stored is None:
                continue
            found[f"record/{tenant}/{number}"] = stored
            if stored.live is None:
                continue
            attempt_id = stored.live.attempt_id
            found[f"text/{tenant}/{number}"] = list(await stores.texts.read(tenant, attempt_id, 0, 1_000_000))
            keys = [ChunkKey(attempt_id, i) for i in range(stored.live.chunk_count)]
            for key, item in (await stores.chunks.embedded(tenant, keys)).items():
                vector = None if item.dense is None else tuple(np.round(item.dense, 2).tolist())
                found[f"chunk/{tenant}/{number}/{key.ordinal}"] = (item.chunk, vector, item.sparse)
    return found
