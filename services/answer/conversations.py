"""The last turns of each conversation, by tenant."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.answer.model import Turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is kept of a conversation."""

    turns: tuple[Turn, ...]
    """Oldest first."""
    expire_time: datetime
    """When it is forgotten unless used again."""


class Conversations(Protocol):
    """A store of conversations. Every call names the tenant: ids of different tenants never meet."""

    async def append(self, tenant: str, conversation_id: str, turn: Turn) -> None:
        """Adds a turn, beginning the conversation if need be, and renews its time."""
        ...

    async def get(self, tenant: str, conversation_id: str) -> Conversation:
        """The kept turns. Raises CONVERSATION_NOT_FOUND."""
        ...

    async def delete(self, tenant: str, conversation_id: str) -> int:
        """Forgets it; returns how many turns went. Raises CONVERSATION_NOT_FOUND."""
        ...


def not_found() -> DocuQueryError:
    """The error for an unknown or forgotten conversation."""
    return DocuQueryError(
        reasons.ERROR_REASON_CONVERSATION_NOT_FOUND,
        "There is no such conversation: it was never begun, was deleted, or has expired. "
        "A query with this conversation_id begins it.",
    )


@dataclass(slots=True)
class _Kept:
    turns: deque[Turn]
    expires_at: float


class MemoryConversations:
    """Conversations in this process: quick, bounded, and gone with it."""

    def __init__(self, clock: Clock, *, ttl_seconds: float, max_turns: int, max_count: int) -> None:
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._max_turns = max_turns
        self._max_count = max_count
        # Least recently appended to first, which is also the order in which they expire.
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def append(self, tenant: str, conversation_id: str, turn: Turn) -> None:
        """See Conversations.append."""
        self._forget_expired()
        key = (tenant, conversation_id)
        kept = self._kept.get(key) or _Kept(deque(maxlen=self._max_turns), 0.0)
        kept.turns.append(turn)
        kept.expires_at = self._clock.monotonic() + self._ttl_seconds
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
        return Conversation(tuple(kept.turns), self._clock.now() + left)

    async def delete(self, tenant: str, conversation_id: str) -> int:
        """See Conversations.delete."""
        self._forget_expired()
        kept = self._kept.pop((tenant, conversation_id), None)
        if kept is None:
            raise not_found()
        return len(kept.turns)

    def _forget_expired(self) -> None:
        now = self._clock.monotonic()
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.expires_at > now:
                return
            del self._kept[key]
