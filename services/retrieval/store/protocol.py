"""What the domain asks of a store: five narrow seams, and what passes through them.

The tenant is an argument of every call. An engine in this process and a server elsewhere fit alike:
every method may wait, nothing relies on two calls being one transaction, and writes that must not cross
each other name the revision they build on. All methods raise STORE_UNAVAILABLE when the engine fails;
those that write parts of documents raise OVERLOADED where the disk is full.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from services.retrieval.filtering.conditions import Filter
from services.retrieval.model import Chunk, ChunkKey, DocumentRecord, DocumentType, Span, Status
from services.retrieval.store.questions import ChunkQuery, Completion, EmbeddedChunk, Legs, Missing


class Extent(NamedTuple):
    """How many chunks an attempt has, and how far they reach."""

    chunks: int
    highest_ordinal: int
    """-1 when there is none."""


class ChunkStore(Protocol):
    """Chunks and their vectors, in one vector space. Knows nothing of which are live."""

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        """Stores chunks; durable against the death of the process on return. Same keys overwrite."""
        ...

    async def existing(self, tenant: str, keys: Sequence[ChunkKey]) -> frozenset[ChunkKey]:
        """Those of `keys` that are stored with both vectors."""
        ...

    async def count(self, tenant: str, attempt_id: str) -> int:
        """Chunks stored for an attempt, those without a vector included."""
        ...

    async def extent(self, tenant: str, attempt_id: str) -> Extent:
        """Chunks stored for an attempt, as `count`, and how far they reach."""
        ...

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        """The nearest chunks by each index that was asked, dead and unfinished versions included."""
        ...

    async def complete(self, tenant: str, query: ChunkQuery, missing: Missing) -> Completion:
        """What each index gives the chunks named for it, best first, and texts of chunks, in one round trip.

        Of `query` only the vectors count.
        """
        ...

    async def fetch(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        """The chunks themselves; those that are gone are left out."""
        ...

    async def embedded(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, EmbeddedChunk]:
        """The chunks with the vectors they have, as exact as the engine keeps them.

        For copying. Those that are gone are left out.
        """
        ...

    async def between(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[Chunk]:
        """Chunks of an attempt that touch [char_start, char_end), in order."""
        ...

    async def idf(self, tenant: str, terms: Collection[int]) -> Mapping[int, float]:
        """Inverse document frequency of each term id as the engine applies it now; unseen terms included."""
        ...


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A contiguous piece of a document's normalised text."""

    span: Span
    text: str


class TextStore(Protocol):
    """The normalised text of each attempt, in blocks that may overlap."""

    async def write(self, tenant: str, attempt_id: str, blocks: Sequence[TextBlock]) -> None:
        """Stores blocks; durable against the death of the process on return. Same starts overwrite."""
        ...

    async def read(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[TextBlock]:
        """Blocks that touch [char_start, char_end), by start."""
        ...

    async def extents(self, tenant: str, attempt_id: str) -> Sequence[tuple[int, int]]:
        """(char_start, char_end) of every block, by start."""
        ...


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list of a tenant's documents, newest first."""

    create_microseconds: int
    document_id: str


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents a listing keeps; empty sets keep all."""

    now: datetime
    """Attempts whose lease ended before count as FAILED."""
    statuses: frozenset[Status] = frozenset()
    types: frozenset[DocumentType] = frozenset()
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over a tenant."""

    indexed_documents: int = 0
    processing_documents: int = 0
    """Without a live version, attempt open."""
    failed_documents: int = 0
    """Without a live version, attempt failed."""
    chunks: int = 0
    characters: int = 0
    size_bytes: int = 0


class RecordStore(Protocol):
    """Document records. What one call returned is what every later call sees, in any task."""

    async def get(self, tenant: str, document_id: str) -> DocumentRecord | None:
        """The record, or None."""
        ...

    async def live(
        self, tenant: str, attempt_ids: Collection[str], deciding: Collection[str] | None = None
    ) -> Mapping[str, DocumentRecord]:
        """Those of `attempt_ids` whose chunks are live, each with its record. One consistent reading.

        Never two attempts of one document. With `deciding`, that is sure of those only: of others it may say
        that they are live if they were when they were last read.
        """
        ...

    async def still_open(self, tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        """Those of `attempt_ids` that are open, each with its record."""
        ...

    async def put(self, tenant: str, record: DocumentRecord, *, expected_revision: int | None) -> bool:
        """Writes `record` whole if the stored one has `expected_revision` (None: if there is none).

        False when it has not, or when the store cannot keep a new attempt of that id apart from another: a
        caller that reads again and makes a new attempt gets through. Durable against the death of the
        process on True.
        """
        ...

    async def remove(self, tenant: str, document_id: str, *, expected_revision: int) -> bool:
        """Removes the record if it has `expected_revision`; False when it has not."""
        ...

    async def page(
        self, tenant: str, query: DocumentQuery, after: Cursor | None, limit: int
    ) -> Sequence[DocumentRecord]:
        """Up to `limit` records that pass, newest first, following `after`."""
        ...

    async def totals(self, tenant: str, now: datetime) -> Totals:
        """Counts over the tenant's documents."""
        ...

    async def languages(self, tenant: str) -> Mapping[str, int]:
        """Chunks, or documents, by language ("": not known); all languages of acknowledged ones are there."""
        ...

    async def open_attempts(self, tenant: str) -> Sequence[DocumentRecord]:
        """Records whose attempt is open."""
        ...


class Upkeep(Protocol):
    """Cleaning up, and looking after the store as a whole."""

    async def tenants(self) -> Sequence[str]:
        """Every tenant that ever stored something, in a stable order."""
        ...

    async def tenants_to_check(self) -> Sequence[str]:
        """Tenants in whose data the last process may have left something behind."""
        ...

    async def active_tenants(self) -> Sequence[str]:
        """Tenants whose attempts this process watches."""
        ...

    async def unreferenced(self, tenant: str) -> Sequence[str]:
        """Attempts that left chunks or text and are neither live nor open in any record."""
        ...

    async def erase(self, tenant: str, attempt_id: str, limit: int) -> int:
        """Deletes up to `limit` points of an attempt; returns how many. 0: nothing is left."""
        ...

    async def flush(self) -> None:
        """Puts what was written on the disk itself, where the engine leaves that to us."""
        ...


class CorpusRevisions(Protocol):
    """Names the states of each tenant's documents, for those who keep what was made of them."""

    async def current(self, tenant: str) -> str:
        """The present revision: another one than before whenever `advance` returned in between.

        Never one that was current before, not even in another life of the store. Every process that uses
        the store is told the same; while it is being advanced all the time, one that is nobody else's.
        """
        ...

    async def advance(self, tenant: str) -> None:
        """Ends the present revision. Called after documents have changed, before that is acknowledged."""
        ...

    async def advance_all(self) -> None:
        """Does so for every tenant: a process may have died in between."""
        ...
