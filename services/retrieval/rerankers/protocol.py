"""What retrieval asks of a reranker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.retrieval.model import Chunk


class RerankError(Exception):
    """The reranker could not do it; the text is for the log."""


@dataclass(frozen=True, slots=True)
class RerankQuery:
    """Whose documents are searched, and for what."""

    tenant: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk the first search found, and the value (0 or more) by which it ordered it."""

    chunk: Chunk
    fused: float


class Reranker(Protocol):
    """Judges candidates by looking at question and text together."""

    @property
    def minimum_seconds(self) -> float:
        """With less time than this it is not worth beginning."""
        ...

    @property
    def default_candidates(self) -> int:
        """How many candidates are worth their time, when nobody says."""
        ...

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One finite score a candidate, in their order; higher is better, the scale is the reranker's own.

        `candidates` are best first and not empty. Raises RerankError; may be cancelled at any time. Does
        not hold the event loop longer than a few milliseconds.
        """
        ...
