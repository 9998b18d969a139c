"""One opened store: its seams together."""

from __future__ import annotations

from dataclasses import dataclass

from services.retrieval.store.protocol import ChunkStore, CorpusRevisions, RecordStore, TextStore, Upkeep
from services.retrieval.store.spaces_protocol import Spaces


@dataclass(frozen=True, slots=True)
class Stores:
    """One opened store."""

    name: str
    """For people: `edge`, `qdrant`."""
    chunks: ChunkStore
    """Those in the vector space of this process' settings."""
    texts: TextStore
    records: RecordStore
    upkeep: Upkeep
    revisions: CorpusRevisions
    spaces: Spaces
    page_token_key: bytes
    """A secret as old as the store, 32 bytes."""
    is_shared: bool = False
    """Whether other processes may read and write the store, also between two calls of this one."""
