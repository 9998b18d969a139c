"""Makes a follow-up question self-contained.

By a local rule, or by a model. The rule is careful: it joins the previous question to one that cannot
stand alone, and leaves every other one as it is.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.answer.conversations.protocol import Conversations
from services.answer.language.words import content_keys
from services.answer.model import Turn
from services.answer.providers.protocol import (
    EXTRACTIVE_ADAPTER,
    Message,
    Provider,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.usage.metering import Metering, Subject

_MAX_CHARACTERS = 1000
_TURNS = 3

_OPENING = re.compile(
    r"(and|but|so|or|also|then|what about|how about|what if)\b",
    re.IGNORECASE,
)
_REFERRING = re.compile(
    r"\b(it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|one|ones|"
    r"the same|the former|the latter|the other|the previous|the next|the rest)\b",
    re.IGNORECASE,
)
# "that" and "there" also join clauses: they refer back only in short questions.
_SHORT_WORDS = 9
_FEW_CONTENT_WORDS = 1

_SYSTEM = (
    "Rewrite the user's last question so that it can be understood without the conversation. Keep its "
    "language and meaning, add only what it refers to, and answer with the question alone, on one line."
)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question after rewriting."""

    text: str
    is_self_contained: bool
    """Whether it means the same without the conversation, as far as words tell."""


def needs_context(question: str) -> bool:
    """Whether a question seems to lean on what was said before."""
    words = question.split()
    if _OPENING.match(question.strip()):
        return len(words) <= _SHORT_WORDS
    if len(content_keys(question)) <= _FEW_CONTENT_WORDS:
        return True
    return len(words) <= _SHORT_WORDS and _REFERRING.search(question) is not None


def refers_back(question: str) -> bool:
    """Whether any word could refer to what was said before; `needs_context` asks whether it probably does."""
    return (
        len(content_keys(question)) <= _FEW_CONTENT_WORDS
        or _OPENING.match(question.strip()) is not None
        or _REFERRING.search(question) is not None
    )


def join_locally(question: str, turns: Sequence[Turn]) -> str:
    """The question with the last self-contained one before it, when it needs that; else unchanged."""
    if not turns or not needs_context(question):
        return question
    parts = [question]
    for turn in reversed(turns[-_TURNS:]):
        parts.insert(0, turn.question)
        if not needs_context(turn.question):
            break
    joined = " ".join(parts)
    return joined if len(joined) <= _MAX_CHARACTERS else question


Ask = Callable[[ProviderRequest], AsyncGenerator[ProviderEvent, None]]
"""Opens a provider's stream for a request."""


async def rewrite_by_model(question: str, turns: Sequence[Turn], ask: Ask) -> str:
    """The question as the model rewrites it; the local rule's when the model's is not usable.

    Raises DocuQueryError when the provider fails.
    """
    if not turns:
        return question
    lines = [f"User: {turn.question}\nAssistant: {turn.answer}" for turn in turns[-_TURNS:]]
    text = "\n".join([*lines, f"Last question: {question}"])
    request = ProviderRequest(question, (), RenderedPrompt(_SYSTEM, (Message("user", text),)))
    pieces: list[str] = []
    async with aclosing(ask(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                pieces.append(event.text)
    rewritten = " ".join("".join(pieces).split()).strip("\"'“”")
    if not rewritten or len(rewritten) > _MAX_CHARACTERS:
        return join_locally(question, turns)
    return rewritten


class Rewriter:
    """Rewrites with the turns a conversation has kept. `provider_named` raises PROVIDER_NOT_CONFIGURED."""

    def __init__(
        self, conversations: Conversations, provider_named: Callable[[str], Provider], metering: Metering
    ) -> None:
        self._conversations = conversations
        self._provider_named = provider_named
        self._metering = metering

    async def rewrite(
        self, tenant: str, conversation_id: str, question: str, provider: str, timeout_seconds: float
    ) -> Rewritten:
        """The self-contained question; the asked one when the conversation is new.

        An empty `provider` means the local rule. Raises DocuQueryError when the provider fails.
        """
        model = self._provider_named(provider) if provider else None
        try:
            turns = (await self._conversations.get(tenant, conversation_id)).turns
        except DocuQueryError as error:
            if error.reason != reasons.ERROR_REASON_CONVERSATION_NOT_FOUND:
                raise
            return Rewritten(question, is_self_contained=True)  # nothing was said before
        if model is None or model.adapter == EXTRACTIVE_ADAPTER:
            text = join_locally(question, turns)
        else:
            subject = Subject(tenant, "", "rewrite")
            text = await rewrite_by_model(
                question,
                turns,
                lambda request: self._metering.stream(model, request, timeout_seconds, subject),
            )
        return Rewritten(text, is_self_contained=not refers_back(text))
