"""How far a change of the store to another vector space is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from services.retrieval.store.spaces import VectorSpace


@dataclass(frozen=True, slots=True)
class FillProgress:
    """How much of the live documents is in the new space."""

    documents: int = 0
    document_count: int = 0
    """As many as there were when the counting began; others come and go meanwhile."""
    chunks: int = 0
    chunk_count: int = 0
    chunks_per_second: float = 0.0
    """Chunks embedded, on average since the start; 0: none yet."""

    @property
    def seconds_left(self) -> float | None:
        """At that rate; None while nothing can be said."""
        if not self.chunks_per_second:
            return None
        return max(self.chunk_count - self.chunks, 0) / self.chunks_per_second

    def to_text(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> FillProgress | None:
        """What `to_text` made; None for anything else."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None


class ReindexState(StrEnum):
    """How a change stands."""

    RUNNING = "running"
    STOPPED = "stopped"
    """It has been begun, and nobody is at work on it."""
    SWITCHED = "switched"
    """The new space is the current one; processes may still search the former."""


@dataclass(frozen=True, slots=True)
class ReindexStatus:
    """A change under way."""

    state: ReindexState
    source: VectorSpace
    target: VectorSpace
    progress: FillProgress | None = None
    """None when it is not known."""
