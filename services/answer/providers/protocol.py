"""What the engine asks of a provider: one stream of typed events, one kind of typed error.

Errors are `libs.errors.DocuQueryError` with a PROVIDER_* reason (see `providers.errors`); they may come
before the first event and while iterating alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from services.answer.model import Passage, TokenUsage

EXTRACTIVE_ADAPTER = "extractive"
"""The adapter that is no model: it needs no prompt and costs nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt."""

    role: str
    """`user` or `assistant`."""
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A source for a provider that takes documents apart from text, and cites them by itself."""

    title: str
    context: str
    """What the model should know about it and cannot cite."""
    text: str


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt ready to be sent."""

    system: str
    messages: tuple[Message, ...]
    """At least one; the last is the user's."""
    documents: tuple[Document, ...] = ()
    """Belong before the last message; empty where the sources stand in it."""

    @property
    def texts(self) -> tuple[str, ...]:
        """All of it, piece by piece."""
        documents = (f"{d.title}\n{d.context}\n{d.text}" for d in self.documents)
        return (self.system, *documents, *(message.text for message in self.messages))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What is known of a model, and what is asked of it; 0 and None mean not known."""

    context_window_tokens: int = 0
    max_output_tokens: int = 0
    input_micro_usd_per_million_tokens: int | None = None
    output_micro_usd_per_million_tokens: int | None = None
    cached_input_micro_usd_per_million_tokens: int | None = None
    """For what the provider reads from its cache; None: as other input."""
    cache_write_micro_usd_per_million_tokens: int | None = None
    """For what the provider writes to its cache; None: as other input."""
    accepts_temperature: bool = True
    """Reasoning models refuse `temperature`."""
    max_tokens_parameter: str = "max_tokens"
    """What the chat completions API calls the output limit for this model."""
    native_citations: bool = False
    """The model cites documents by itself; in a configured provider: it is asked to."""
    answer_tokens: int = 1024
    """The longest answer asked for; configured, not a property of the model."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """Everything a provider may use."""

    question: str
    """Self-contained."""
    passages: tuple[Passage, ...]
    """Best first; a marker `[n]` names passages[n - 1]."""
    prompt: RenderedPrompt
    """For providers that are models; `extractive` needs none."""


class FinishReason(Enum):
    """Why the provider stopped."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTERED = "content_filtered"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of text, markers included; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The text since the last event of this kind rests on a piece of a document; only with `documents`."""

    document: int
    """0-based index into RenderedPrompt.documents, as the provider gave it: not checked."""
    start: int
    """First character of the piece in the document's text, code points, as the provider gave it."""
    text: str
    """The piece, as the provider gave it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The terminal event: exactly one, last."""

    reason: FinishReason
    usage: TokenUsage | None = None
    """As the provider reported it; None: it did not."""
    abstained: bool = False
    """True when a provider that is no model found no answer in the passages."""
    confidence: float | None = None
    """Probability that the answer holds what was asked for, 0 to 1, from a provider that can tell."""


ProviderEvent = TextDelta | Cited | Finished


class Provider(Protocol):
    """A configured way to write an answer."""

    @property
    def name(self) -> str:
        """Its configured name, unique in the process."""
        ...

    @property
    def adapter(self) -> str:
        """`anthropic`, `openai` or `extractive`."""
        ...

    @property
    def model(self) -> str:
        """The model's id as its API knows it; for `extractive` the algorithm's revision."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What is known of the model."""
        ...

    def stream(self, request: ProviderRequest, timeout_seconds: float) -> AsyncGenerator[ProviderEvent, None]:
        """Writes an answer within `timeout_seconds` (for the whole stream).

        Closing the generator, or cancelling the task that reads it, closes the connection upstream.
        Raises DocuQueryError.
        """
        ...
