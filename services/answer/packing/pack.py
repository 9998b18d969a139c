"""Fits sources and history into the model's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.answer.citations.markers import Piece
from services.answer.model import Passage, Span, Turn
from services.answer.packing.duplicates import distinct
from services.answer.packing.neighbours import Source, merge
from services.answer.providers.protocol import Capabilities
from services.answer.tokens import upper_estimate

_SOURCE_TOKENS = 40  # delimiters and attribute names around a source
_TURN_TOKENS = 12
_HISTORY_SHARE = 0.25
"""Share of the room the newest turns may claim before the passages. Without them a follow-up has lost what
it follows; with more of them, an answer is made from what was said instead of what is written."""


Origins = tuple[tuple[int, Passage], ...]
"""(1-based number, passage) of passages of the request."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What did not fit into the window."""

    numbers: tuple[int, ...] = ()
    """1-based numbers of the request's passages; repeated ones do not count."""
    turns: int = 0
    """Turns of the conversation, the oldest ones."""
    window_tokens: int = 0

    def __bool__(self) -> bool:
        return bool(self.numbers or self.turns)


NOTHING_LEFT_OUT = LeftOut()


@dataclass(frozen=True, slots=True)
class PackedContext:
    """What the prompt holds, and what its answer's citations are checked against."""

    sources: tuple[Passage, ...]
    """Best first; a marker `[n]` names sources[n - 1]."""
    candidates: tuple[Passage, ...]
    """Texts to check against: the request's passages, and sources made of several where they are exact."""
    groups: tuple[tuple[int, ...], ...]
    """For each source, the indices of its candidates; the original passages come first."""
    history: tuple[Turn, ...]
    """Turns of the conversation, oldest first."""
    left_out: LeftOut
    origins: tuple[Origins, ...]
    """What each candidate is made of."""

    def locate(self, source: int, start: int, text: str) -> Piece | None:
        """The candidate that holds a piece of `sources[source]` that begins near `start`; None for none.

        The text decides, not the numbers: it must stand there to the letter. Of several candidates the
        first that holds all of it is taken, so a chunk goes before the text it was merged into.
        """
        if not 0 <= source < len(self.groups) or not text.strip():
            return None
        offset = self.sources[source].span.char_start
        for index in self.groups[source]:
            candidate = self.candidates[index]
            wanted = start + offset - candidate.span.char_start
            found = _nearest(candidate.text, text, wanted)
            if found is not None:
                return Piece(index, found, found + len(text))
        return None

    def origin(self, candidate: int, quote: Span) -> tuple[int, Passage]:
        """(1-based number, passage) of the request that holds most of a quote found in a candidate."""
        return max(self.origins[candidate], key=lambda one: _shared(one[1].span, quote))


def pack(
    passages: Sequence[Passage],
    history: Sequence[Turn],
    prompt_tokens: int,
    capabilities: Capabilities,
    *,
    merged: bool,
) -> PackedContext:
    """Fits the best passages and the newest turns beside a prompt that takes `prompt_tokens` without them.

    The order stays that of the search: what a model reads first weighs most, what is cut off is the least
    relevant, and numbers mean the same as in the reply. The best source always goes in. A model whose
    window is not known takes everything. Without `merged`, neighbours stay apart.
    """
    kept = distinct(passages)
    sources = (
        merge(passages, kept)
        if merged
        else [Source(passages[index], (index,), is_exact=True) for index in kept]
    )
    window = capabilities.context_window_tokens
    if not window:
        return _packed(passages, sources, history, NOTHING_LEFT_OUT)
    room = window - capabilities.answer_tokens - prompt_tokens
    reserved = _newest(history, int(room * _HISTORY_SHARE))
    room -= sum(_turn_cost(turn) for turn in reserved)
    fitting: list[Source] = []
    missing: list[Source] = []
    for source in sources:
        cost = source_cost(source.passage)
        if cost <= room or not fitting:
            room -= cost
            fitting.append(source)
        else:
            missing.append(source)
    claimed = sum(_turn_cost(turn) for turn in reserved)
    turns = _newest(history, room + claimed)
    left_out = LeftOut(
        tuple(sorted(index + 1 for source in missing for index in source.members)),
        len(history) - len(turns),
        window,
    )
    return _packed(passages, fitting, turns, left_out)


def source_cost(passage: Passage) -> int:
    """About how many tokens a source takes in a prompt, rather too many."""
    attributes = (passage.filename, passage.title, *passage.headings)
    return upper_estimate(passage.text) + sum(map(upper_estimate, attributes)) + _SOURCE_TOKENS


def _turn_cost(turn: Turn) -> int:
    return upper_estimate(turn.question) + upper_estimate(turn.answer) + _TURN_TOKENS


def _newest(history: Sequence[Turn], room: int) -> list[Turn]:
    """The newest turns without a hole that fit, oldest first."""
    kept: list[Turn] = []
    for turn in reversed(history):
        room -= _turn_cost(turn)
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]


def _packed(
    passages: Sequence[Passage], sources: Sequence[Source], history: Sequence[Turn], left_out: LeftOut
) -> PackedContext:
    candidates: list[Passage] = []
    origins: list[Origins] = []
    groups: list[tuple[int, ...]] = []
    for source in sources:
        members = tuple((index + 1, passages[index]) for index in source.members)
        group = [*(passage for _, passage in members)]
        made_of: list[Origins] = [(member,) for member in members]
        if len(members) > 1 and source.is_exact:
            group.append(source.passage)
            made_of.append(members)
        groups.append(tuple(range(len(candidates), len(candidates) + len(group))))
        candidates += group
        origins += made_of
    return PackedContext(
        sources=tuple(source.passage for source in sources),
        candidates=tuple(candidates),
        groups=tuple(groups),
        history=tuple(history),
        left_out=left_out,
        origins=tuple(origins),
    )


def _nearest(text: str, piece: str, wanted: int) -> int | None:
    """Where `piece` stands in `text`, of several places the one nearest to `wanted`."""
    places = []
    found = text.find(piece)
    while found >= 0:
        places.append(found)
        found = text.find(piece, found + 1)
    return min(places, key=lambda place: abs(place - wanted), default=None)


def _shared(span: Span, quote: Span) -> int:
    """Characters two spans of one document have in common; negative when they lie apart."""
    return min(span.char_end, quote.char_end) - max(span.char_start, quote.char_start)
