"""Chunks, texts and records for the suites of retrieval's seams."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import (
    Attempt,
    Chunk,
    ChunkKey,
    Description,
    DocumentRecord,
    DocumentType,
    LiveVersion,
    PageRange,
    PageStart,
    Span,
    Stage,
    Status,
)
from services.retrieval.store.protocol import TextBlock
from services.retrieval.store.questions import EmbeddedChunk, SparseVector

DIMENSIONS = 8
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DOCUMENT_ID = "11111111-2222-5333-8444-555555555555"


def direction(*weights: float) -> NDArray[np.float32]:
    """The unit vector along `weights`, the rest 0."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[: len(weights)] = weights
    return vector / np.float32(np.linalg.norm(vector))


def chunk(attempt_id: str, ordinal: int, text: str = "text", document_id: str = DOCUMENT_ID) -> Chunk:
    """A chunk of ten characters' distance from the next, with every field set."""
    start = ordinal * 10
    return Chunk(
        key=ChunkKey(attempt_id, ordinal),
        document_id=document_id,
        text=f"{text} ✈ {ordinal}",
        span=Span(start, start + 8, start * 2, start * 2 + 16),
        pages=PageRange(ordinal + 1, ordinal + 2),
        page_starts=(PageStart(ordinal + 2, start + 3),),
        headings=("Top", f"Part {ordinal}"),
        title="Title",
    )


def embedded(
    attempt_id: str,
    ordinal: int,
    dense: NDArray[np.float32] | None = None,
    terms: dict[int, float] | None = None,
) -> EmbeddedChunk:
    """A chunk with vectors; by default it looks along the first axis and holds no term."""
    terms = terms or {}
    return EmbeddedChunk(
        chunk(attempt_id, ordinal),
        direction(1.0) if dense is None else dense,
        SparseVector(tuple(sorted(terms)), tuple(terms[t] for t in sorted(terms))),
    )


def block(start: int, text: str) -> TextBlock:
    """A text block of ASCII text."""
    return TextBlock(Span(start, start + len(text), start, start + len(text)), text)


def record(
    number: int = 1,
    *,
    live: bool = True,
    status: Status = Status.INDEXED,
    chunks: int = 3,
    metadata: dict[str, object] | None = None,
    type_: DocumentType = DocumentType.TEXT,
    language: str = "",
) -> DocumentRecord:
    """The record of document `number`, created `number` seconds after NOW."""
    created = NOW + timedelta(seconds=number)
    description = Description(f"{number}.txt", type_, 100 * number, dict(metadata or {}))  # type: ignore[arg-type]  # JSON
    attempt = Attempt(
        attempt_id=new_attempt_id(),
        version="a" * 64,
        status=status,
        stage=Stage.DONE if status is Status.INDEXED else Stage.INDEXING,
        description=description,
        start_time=created,
        update_time=created,
        lease_end=created + timedelta(minutes=2),
    )
    version = LiveVersion(
        attempt_id=attempt.attempt_id,
        version="a" * 64,
        description=description,
        title="Title",
        chunk_count=chunks,
        page_count=2,
        character_count=50,
        text_block_count=1,
        replaced=False,
        language=language,
    )
    return DocumentRecord(
        document_id=f"00000000-0000-5000-8000-{number:012d}",
        source=f"folder/{number}.txt",
        create_time=created,
        update_time=created,
        attempt=attempt,
        live=version if live else None,
        revision=1,
    )


def next_revision(old: DocumentRecord, **changes: object) -> DocumentRecord:
    """The record changed, one revision on."""
    return replace(old, revision=old.revision + 1, **changes)  # type: ignore[arg-type]  # fields by name
