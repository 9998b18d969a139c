"""What the answer service talks about: passages, citations, completed answers. No protobuf, no SDK."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from docuquery.common.v1 import answer_pb2


class Verdict(Enum):
    """What comparing a citation with its source showed; see CitationVerdict in the contract."""

    VERBATIM = answer_pb2.CITATION_VERDICT_VERBATIM
    SUPPORTED = answer_pb2.CITATION_VERDICT_SUPPORTED
    UNSUPPORTED = answer_pb2.CITATION_VERDICT_UNSUPPORTED
    UNKNOWN_SOURCE = answer_pb2.CITATION_VERDICT_UNKNOWN_SOURCE


class Outcome(Enum):
    """How a question ended; see Outcome in the contract."""

    ANSWERED = answer_pb2.OUTCOME_ANSWERED
    PARTIAL = answer_pb2.OUTCOME_PARTIAL
    NO_EVIDENCE = answer_pb2.OUTCOME_NO_EVIDENCE
    LOW_EVIDENCE = answer_pb2.OUTCOME_LOW_EVIDENCE


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open piece of a text, in code points and in UTF-8 bytes."""

    char_start: int
    char_end: int
    byte_start: int
    byte_end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as retrieval found it."""

    document_id: str
    filename: str
    source: str
    version: str
    chunk_id: str
    text: str
    span: Span
    """Where `text` stands in the document's text."""
    page_starts: tuple[tuple[int, int], ...] = ()
    """(page, char_start in the document) of pages that begin inside it, ascending."""
    pages: tuple[int, int] | None = None
    """First and last page, 1-based; None where the format has none."""
    headings: tuple[str, ...] = ()
    title: str = ""
    score: float = 0.0
    """Absolute relevance, 0 to 1."""
    ordinal: int = -1
    """Its place among the chunks of its document, 0-based; -1 when not known."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A checked citation; fields as in the contract's Citation."""

    source_number: int
    passage: Passage
    quote: str
    source_span: Span
    pages: tuple[int, int] | None
    answer_span: Span
    verdict: Verdict
    score: float


@dataclass(frozen=True, slots=True)
class RejectedCitation:
    """A marker that named no given source."""

    marker: str
    answer_span: Span


@dataclass(frozen=True, slots=True)
class SentenceSupport:
    """How well a sentence of the answer is carried by the passages."""

    answer_span: Span
    supported: bool
    score: float


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one generation."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    """The provider reported none."""
    cached_prompt_tokens: int = 0
    """Of `prompt_tokens`, those read from the provider's cache."""
    cache_write_tokens: int = 0
    """Of `prompt_tokens`, those written to it."""


NO_TOKENS = TokenUsage(0, 0)
"""Of an answer no model took part in."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer in a conversation."""

    query_id: str
    question: str
    answer: str
    outcome: Outcome
    time: datetime
