"""Conversations in this process: quick, bounded, and gone with it."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta

from libs.clock import Clock
from services.answer.conversations.codec import encode, fit
from services.answer.conversations.protocol import Conversation, ConversationLimits, not_found
from services.answer.model import Turn


@dataclass(slots=True)
class _Kept:
    turns: deque[tuple[Turn, int]]
    """Each with its size in bytes."""
    expires_at: float


class MemoryConversations:
    """At most `max_count` of them; the least recently used goes first."""

    def __init__(self, clock: Clock, limits: ConversationLimits, *, max_count: int) -> None:
        self._clock = clock
        self._limits = limits
        self._max_count = max_count
        # Least recently appended to first, which is also the order in which they expire.
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def append(self, tenant: str, conversation_id: str, turn: Turn) -> None:
        """See Conversations.append."""
        self._forget_expired()
        turn = fit(turn, self._limits.max_bytes)
        key = (tenant, conversation_id)
        kept = self._kept.get(key) or _Kept(deque(), 0.0)
        others = [pair for pair in kept.turns if pair[0].query_id != turn.query_id]
        kept.turns = deque([*others, (turn, len(encode(turn)))])
        while len(kept.turns) > 1 and self._too_much(kept.turns):
            kept.turns.popleft()
        kept.expires_at = self._clock.monotonic() + self._limits.ttl_seconds
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > self._max_count:
            self._kept.popitem(last=False)

    async def get(self, tenant: str, conversation_id: str) -> Conversation:
        """See Conversations.get."""
        self._forget_expired()
        kept = self._kept.get((tenant, conversation_id))
        if kept is None:
            raise not_found()
        left = timedelta(seconds=kept.expires_at - self._clock.monotonic())
        return Conversation(tuple(turn for turn, _ in kept.turns), self._clock.now() + left)

    async def delete(self, tenant: str, conversation_id: str) -> int:
        """See Conversations.delete."""
        self._forget_expired()
        kept = self._kept.pop((tenant, conversation_id), None)
        if kept is None:
            raise not_found()
        return len(kept.turns)

    def _too_much(self, turns: deque[tuple[Turn, int]]) -> bool:
        return len(turns) > self._limits.max_turns or sum(s for _, s in turns) > self._limits.max_bytes

    def _forget_expired(self) -> None:
        now = self._clock.monotonic()
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.expires_at > now:
                return
            del self._kept[key]
