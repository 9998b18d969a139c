"""How documents, chunks and attempts get their ids."""

from __future__ import annotations

import uuid

# Made once for this project; changing it would give every document another id.
_NAMESPACE = uuid.UUID("6f1d3a52-9c0b-5e6e-8a55-3b9c1f7d2e04")


def document_id(tenant: str, source: str) -> str:
    """The UUID of a tenant's source: the same for ever."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant}\0{source}"))


def chunk_id(document_id: str, version: str, ordinal: int) -> str:
    """The UUID of a chunk: the same whenever the same version is stored again."""
    return str(uuid.uuid5(uuid.UUID(document_id), f"{version}:{ordinal}"))


def new_attempt_id() -> str:
    """A random UUID: the token an ingest holds, and the name its chunks and text are stored under."""
    return str(uuid.uuid4())
