"""What the service asks of a store of conversations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.answer.model import Turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is kept of a conversation."""

    turns: tuple[Turn, ...]
    """Oldest first."""
    expire_time: datetime
    """When it is forgotten unless used again."""


@dataclass(frozen=True, slots=True)
class ConversationLimits:
    """How much is kept of one conversation, and how long."""

    ttl_seconds: float = 86_400.0
    """From the last turn."""
    max_turns: int = 10
    max_bytes: int = 256 * 1024
    """Of all turns as `codec` writes them; the oldest go first, the newest is cut when it alone is larger."""


class Conversations(Protocol):
    """A store of conversations. Every call names the tenant: ids of different tenants never meet.

    Every method raises CONVERSATIONS_UNAVAILABLE, soon, when the store cannot be reached.
    """

    async def append(self, tenant: str, conversation_id: str, turn: Turn) -> None:
        """Adds a turn, beginning the conversation if need be, and renews its time.

        One step, however many append at once. A turn of the same query takes the place of the earlier one,
        so that repeating a call changes nothing.
        """
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


def unavailable() -> DocuQueryError:
    """The error for a store that cannot be reached."""
    return DocuQueryError(
        reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE,
        "Conversations cannot be read or kept at the moment. Try again; questions that stand alone are "
        "answered meanwhile.",
    )
