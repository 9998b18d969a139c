"""Chooses which passages go into the prompt: no text twice, and no more than the model can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.answer.model import Passage, Turn
from services.answer.providers.protocol import Capabilities
from services.answer.tokens import upper_estimate

# Instructions, delimiters and file names around the passages.
_PROMPT_TOKENS = 1200
_PASSAGE_TOKENS = 60


@dataclass(frozen=True, slots=True)
class PackedContext:
    """What the prompt holds."""

    passages: tuple[Passage, ...]
    """Best first; a marker `[n]` names passages[n - 1]."""
    numbers: tuple[int, ...]
    """For each, its 1-based number among the passages of the request."""
    history: tuple[Turn, ...]
    """Turns of the conversation, oldest first."""
    left_out: int
    """Passages that did not fit; repeated ones do not count."""


def pack(
    passages: Sequence[Passage],
    history: Sequence[Turn],
    question: str,
    capabilities: Capabilities,
    max_output_tokens: int,
) -> PackedContext:
    """Fits passages first, then as much of the history as room is left for, newest turns first.

    The best passage always goes in. A model whose window is not known takes everything.
    """
    distinct: list[tuple[int, Passage]] = []
    texts: set[str] = set()
    for number, passage in enumerate(passages, start=1):
        if passage.text not in texts:
            texts.add(passage.text)
            distinct.append((number, passage))
    if not capabilities.context_window_tokens:
        return _packed(distinct, tuple(history), 0)

    room = capabilities.context_window_tokens - max_output_tokens - _PROMPT_TOKENS - upper_estimate(question)
    kept: list[tuple[int, Passage]] = []
    for number, passage in distinct:
        cost = upper_estimate(passage.text) + _PASSAGE_TOKENS
        if kept and cost > room:
            break
        room -= cost
        kept.append((number, passage))
    turns: list[Turn] = []
    for turn in reversed(history):
        room -= upper_estimate(turn.question) + upper_estimate(turn.answer)
        if room < 0:
            break
        turns.append(turn)
    return _packed(kept, tuple(reversed(turns)), len(distinct) - len(kept))


def _packed(kept: list[tuple[int, Passage]], history: tuple[Turn, ...], left_out: int) -> PackedContext:
    return PackedContext(
        passages=tuple(passage for _, passage in kept),
        numbers=tuple(number for number, _ in kept),
        history=history,
        left_out=left_out,
    )
