"""Chunks in: cut the text into blocks, embed, store; nobody sees any of it before the commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.text import ByteOffsets
from services.retrieval.documents.records import RecordEditor, owned_attempt
from services.retrieval.indexing.encoder import Encoded, PassageEncoder
from services.retrieval.model import Chunk, DocumentRecord, Span, Stage, Status
from services.retrieval.store.protocol import RecordStore, TextBlock
from services.retrieval.store.questions import EmbeddedChunk
from services.retrieval.store.stores import Stores

# Batches of a piece that are being embedded while earlier ones are stored. A remote embedder bounds what it
# has under way itself; for a local one nothing is gained or lost.
_BATCHES_AHEAD = 8
# Holds the event loop for about 3 ms; more at a time gain nothing.
_STORED_AT_ONCE = 32
# A record write for every message would cost a small document more than its chunks do.
_PROGRESS_EVERY = timedelta(seconds=0.5)
# Small enough that reading a citation's surroundings reads little else.
_BLOCK_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Piece:
    """A contiguous piece of a document's text, and the chunks within it."""

    text: str
    span: Span
    chunks: Sequence[Chunk]
    chunks_total: int
    """Chunks of the whole document; 0 while not known."""


def contextual_text(chunk: Chunk) -> str:
    """What is embedded and indexed for a chunk: "title › heading › heading", then its text.

    A chunk in the middle of a section seldom repeats what the section is about.
    """
    path = [part for part in (chunk.title, *chunk.headings) if part.strip()]
    named = [part for i, part in enumerate(path) if i == 0 or part != path[i - 1]]
    return " › ".join(named) + "\n" + chunk.text if named else chunk.text


def blocks_of(text: str, span: Span) -> Iterator[TextBlock]:
    """The piece cut into blocks of at most 8,192 characters, with their places in the document."""
    offsets = ByteOffsets(text)
    for start in range(0, len(text), _BLOCK_CHARACTERS):
        end = min(start + _BLOCK_CHARACTERS, len(text))
        yield TextBlock(
            Span(
                span.char_start + start,
                span.char_start + end,
                span.byte_start + offsets.at(start),
                span.byte_start + offsets.at(end),
            ),
            text[start:end],
        )


class ChunkWriter(Protocol):
    """Where chunks go."""

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        """As `ChunkStore.write`."""
        ...


class Indexer:
    """Stores pieces of documents under an open attempt."""

    def __init__(
        self,
        stores: Stores,
        writer: ChunkWriter,
        editor: RecordEditor,
        encoder: PassageEncoder,
        clock: Clock,
        lease: timedelta,
    ) -> None:
        self._writer = writer
        self._records: RecordStore = stores.records
        self._chunks = stores.chunks
        self._texts = stores.texts
        self._editor = editor
        self._encoder = encoder
        self._clock = clock
        self._lease = lease

    async def write(self, tenant: str, document_id: str, token: str, piece: Piece) -> int:
        """Stores the piece and returns how many distinct chunks the attempt has now.

        Chunks that are there already are not embedded again. Raises ATTEMPT_SUPERSEDED,
        EMBEDDER_UNAVAILABLE; what was stored until then stays, so the same call can be repeated, even
        after the commit.
        """
        record = await self._records.get(tenant, document_id)
        if record is not None and record.live is not None and record.live.attempt_id == token:
            return record.live.chunk_count
        owned_attempt(record, token)
        await self._texts.write(tenant, token, list(blocks_of(piece.text, piece.span)))
        stored = await self._chunks.existing(tenant, [chunk.key for chunk in piece.chunks])
        missing = [chunk for chunk in piece.chunks if chunk.key not in stored]
        await self._store(tenant, document_id, token, missing)
        is_whole = len(piece.chunks) == piece.chunks_total
        written = piece.chunks_total if is_whole else await self._chunks.count(tenant, token)
        if written != piece.chunks_total:  # else a commit, which says more, follows at once
            await self._note_progress(tenant, document_id, token, piece, written)
        return written

    async def _store(self, tenant: str, document_id: str, token: str, chunks: Sequence[Chunk]) -> None:
        """Embeds batch by batch and stores each as it comes.

        When one fails, those on their way are waited for and stored (they are paid for), then the first
        failure is raised.
        """
        size = self._encoder.batch_texts
        waiting = [chunks[start : start + size] for start in range(0, len(chunks), size)]
        waiting.reverse()
        under_way: deque[tuple[Sequence[Chunk], asyncio.Task[Encoded]]] = deque()
        failure: DocuQueryError | None = None
        try:
            while under_way or (waiting and failure is None):
                while waiting and failure is None and len(under_way) < _BATCHES_AHEAD:
                    batch = waiting.pop()
                    texts = [contextual_text(chunk) for chunk in batch]
                    encoding = self._encoder.encode(texts, batch[0].language)
                    under_way.append((batch, asyncio.ensure_future(encoding)))
                batch, task = under_way[0]
                try:
                    encoded = await task
                except DocuQueryError as error:
                    failure = failure or error
                else:
                    await self._write(tenant, document_id, token, batch, encoded)
                under_way.popleft()
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)
        if failure is not None:
            raise failure

    async def _write(
        self,
        tenant: str,
        document_id: str,
        token: str,
        chunks: Sequence[Chunk],
        encoded: Encoded,
    ) -> None:
        for start in range(0, len(chunks), _STORED_AT_ONCE):
            part = slice(start, start + _STORED_AT_ONCE)
            embedded = list(map(EmbeddedChunk, chunks[part], encoded.dense[part], encoded.sparse[part]))
            # Once more, as near to the write as can be: what comes after a delete is nobody's to clean up.
            await self._require_owned(tenant, document_id, token)
            await self._writer.write(tenant, embedded)
            await asyncio.sleep(0)

    async def _require_owned(self, tenant: str, document_id: str, token: str) -> None:
        owned_attempt(await self._records.get(tenant, document_id), token)

    async def _note_progress(
        self, tenant: str, document_id: str, token: str, piece: Piece, written: int
    ) -> None:
        def decide(found: DocumentRecord | None) -> DocumentRecord:
            record, attempt = owned_attempt(found, token)
            now = self._clock.now()
            recent = attempt.stage is Stage.INDEXING and now - attempt.update_time < _PROGRESS_EVERY
            if recent:
                return record
            attempt = replace(
                attempt,
                status=Status.PROCESSING,
                stage=Stage.INDEXING,
                chunks_written=max(attempt.chunks_written, written),
                chunks_total=piece.chunks_total or attempt.chunks_total,
                update_time=now,
                lease_end=now + self._lease,
            )
            return replace(record, attempt=attempt)

        await self._editor.change(tenant, document_id, decide)
