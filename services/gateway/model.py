"""What travels through the gateway: questions, events of an answer, and what happened on the way.

Payloads of the contract that no policy looks into (passages, citations, finished generations, filters)
are carried as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from docuquery.answer.v1.answer_service_pb2 import GenerationCompleted
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import Citation, DegradationKind
from docuquery.common.v1.filter_pb2 import Filter
from docuquery.common.v1.passage_pb2 import Passage, SearchMode

if TYPE_CHECKING:
    from libs.errors import Reason


@dataclass(frozen=True, slots=True)
class Question:
    """A valid query."""

    text: str
    top_k: int
    mode: SearchMode.ValueType
    conversation_id: str = ""
    include_sources: bool = True
    filter: Filter | None = None
    score_threshold: float | None = None
    prompt_version: str = ""
    provider: str = ""
    """Asked before all others; empty: the configured order."""
    rerank: bool | None = None
    """None: as the gateway is set, or retrieval."""
    max_per_document: int = 0
    """0: no cap."""
    expand_chunks: int | None = None
    """None: as the gateway is set."""
    no_cache: bool = False
    """Whether the answer is to be made anew, and not to be kept."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Something done less well than configured."""

    kind: DegradationKind.ValueType
    detail: str
    """A short sentence for people."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question as it is searched for."""

    text: str
    is_self_contained: bool
    """Whether it means the same outside its conversation."""
    degraded: Degraded | None = None
    """What was done less well on the way."""


@dataclass(slots=True)
class Attempt:
    """One try to get an answer from one provider."""

    provider: str
    model: str
    """Empty when it was never asked."""
    error_reason: Reason = reasons.ERROR_REASON_UNSPECIFIED
    """UNSPECIFIED when it answered."""
    latency_ms: float = 0.0
    first_text_ms: float | None = None


# --- events of one generation, as the answer service sends them ---


@dataclass(frozen=True, slots=True)
class Started:
    """A provider sent its first text."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationFound:
    """A checked citation."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a generation."""

    generation: GenerationCompleted


GenerationEvent: TypeAlias = Started | TextDelta | CitationFound | Completed


# --- events of one query, as the caller sees them ---


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Passages were found."""

    query_id: str
    sources: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class CacheHit:
    """Where an answer comes from that was given before."""

    question: str
    """What it was made for."""
    similarity: float
    """1 for the same words, else the cosine of the questions' vectors."""
    age_seconds: float


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The whole answer to a question."""

    query_id: str
    question: Question
    standalone_question: str
    sources: Sequence[Passage]
    generation: GenerationCompleted
    degradations: Sequence[Degraded]
    attempts: Sequence[Attempt]
    time: datetime
    total_ms: float
    retrieval_ms: float
    generation_ms: float
    first_text_ms: float | None = None
    """From the request's arrival; None when no text came before the end."""
    cache_hit: CacheHit | None = None
    """None: the answer was made for this query."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a query."""

    result: QueryResult


QueryEvent: TypeAlias = Retrieved | Started | TextDelta | CitationFound | Finished


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought."""

    passages: Sequence[Passage]
    degradations: Sequence[Degraded] = field(default_factory=tuple)
