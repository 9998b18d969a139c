"""What comes out of one generation."""

from __future__ import annotations

from dataclasses import dataclass

from services.answer.model import (
    NO_TOKENS,
    Citation,
    Outcome,
    RejectedCitation,
    SentenceSupport,
    TokenUsage,
)
from services.answer.packing.pack import NOTHING_LEFT_OUT, LeftOut
from services.answer.providers.protocol import FinishReason


@dataclass(frozen=True, slots=True)
class Started:
    """The provider's first text has come."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a generation; fields as in the contract's GenerationCompleted."""

    answer: str
    outcome: Outcome
    confidence: float = 0.0
    groundedness: float = 0.0
    citations: tuple[Citation, ...] = ()
    rejected: tuple[RejectedCitation, ...] = ()
    sentences: tuple[SentenceSupport, ...] = ()
    finish_reason: FinishReason = FinishReason.STOP
    usage: TokenUsage = NO_TOKENS
    cost_micro_usd: int | None = 0
    provider: str = ""
    model: str = ""
    prompt_version: str = ""
    prompt_sha256: str = ""
    history_turn_count: int = 0
    left_out: LeftOut = NOTHING_LEFT_OUT
    links_removed: int = 0
    """Addresses in the answer that stand in no passage; see `links`."""
    conversation_unavailable: bool = False
    """The turns before could not be read, or this one could not be kept."""


Event = Started | str | Citation | Completed
