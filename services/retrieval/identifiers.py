"""How documents, chunks and attempts get their ids."""

from __future__ import annotations

import uuid
from functools import lru_cache

from services.retrieval.model import ChunkKey

# Made once for this project; changing it would give every document another id.
_NAMESPACE = uuid.UUID("6f1d3a52-9c0b-5e6e-8a55-3b9c1f7d2e04")

# The low bits of a stored chunk's point id hold its ordinal; an attempt id leaves them zero.
_ORDINAL_BITS = 32
_ORDINAL_MASK = (1 << _ORDINAL_BITS) - 1
# Characters of a UUID before the digits of those bits: xxxxxxxx-xxxx-xxxx-xxxx-xxxxOOOOOOOO.
_ATTEMPT_DIGITS = 28


def document_id(tenant: str, source: str) -> str:
    """The UUID of a tenant's source: the same for ever."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant}\0{source}"))


def chunk_id(document_id: str, version: str, ordinal: int) -> str:
    """The UUID of a chunk: the same whenever the same version is stored again."""
    return str(uuid.uuid5(uuid.UUID(document_id), f"{version}:{ordinal}"))


def new_attempt_id() -> str:
    """A random UUID whose last 32 bits are zero, so that `point_id` can put an ordinal there.

    90 random bits remain: a collision within a billion attempts has a probability below 1e-9.
    """
    return _with_ordinal(str(uuid.uuid4()), 0)


def point_id(attempt_id: str, ordinal: int) -> str:
    """The UUID under which the engines keep a chunk. It tells attempt and ordinal without a look-up."""
    return _with_ordinal(attempt_id, ordinal)


def chunk_key(point: int) -> ChunkKey:
    """The attempt and the ordinal of the chunk kept under the UUID of this integer value."""
    return ChunkKey(_attempt_id(point >> _ORDINAL_BITS), point & _ORDINAL_MASK)


def _with_ordinal(attempt_id: str, ordinal: int) -> str:
    return f"{attempt_id[:_ATTEMPT_DIGITS]}{ordinal:08x}"


# A search translates hundreds of ids, most of them of attempts it has met before.
@lru_cache(maxsize=65_536)
def _attempt_id(high_bits: int) -> str:
    return str(uuid.UUID(int=high_bits << _ORDINAL_BITS))
