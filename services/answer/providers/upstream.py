"""One call to a provider: how long it may take, how far it has come, what its failures are called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import TypeVar

import structlog

from libs.errors import DocuQueryError
from services.answer.providers.errors import BadResponseError, Phase, StreamTruncatedError, translate
from services.answer.providers.quotes import without_quotes

T = TypeVar("T")

TAIL_SECONDS = 1.0
"""How long to wait for what follows the terminal event (usage, the end of the body).

The answer is complete by then; a server that leaves the connection open must not hold it back.
"""

IDLE_SECONDS = 14.5
"""Longest silence in the middle of an answer. Callers that see the text come give up after 15 s themselves
(those that take the answer whole cannot); half a second before, the cause is told."""

DETAIL_CHARACTERS = 300
DETAIL_SCANNED_CHARACTERS = 2000

log = structlog.get_logger()


class UpstreamCall:
    """Bounds every wait by one deadline and translates every failure, of opening and of iterating alike.

    Each wait has its own `asyncio.timeout_at`: one around the generator's `yield` would cancel whatever its
    reader is doing, and pass for the reader's own cancellation. The caller's CancelledError goes through.
    """

    def __init__(
        self,
        *,
        provider: str,
        model: str,
        timeout_seconds: float,
        secrets: Sequence[str] = (),
        private: Sequence[str] = (),
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`secrets` and what is quoted of `private` texts never get into the log."""
        self._provider, self._model, self._secrets, self._private = provider, model, secrets, private
        self._idle_seconds = idle_seconds
        self._deadline = asyncio.get_running_loop().time() + timeout_seconds
        self._phase = Phase.OPENING
        self._complete = False

    async def open(self, request: Awaitable[T]) -> T:
        """Waits for the reply's headers. Raises DocuQueryError."""
        try:
            async with asyncio.timeout_at(self._deadline):
                opened = await request
        except Exception as error:
            raise self.failure(error) from None  # the SDK's error quotes the provider, who may quote the key
        self._phase = Phase.BEFORE_FIRST_TOKEN
        return opened

    async def next(self, events: AsyncIterator[T]) -> T | None:
        """The next event, None at the end. Raises DocuQueryError, but not once the answer is complete."""
        limit = self._deadline
        if self._phase is Phase.MID_STREAM:
            limit = min(limit, asyncio.get_running_loop().time() + self._idle_seconds)
        try:
            async with asyncio.timeout_at(limit):
                return await anext(events, None)
        except Exception as error:
            if self._complete:
                return None
            raise self.failure(error) from None

    def got_text(self) -> None:
        """Notes that part of the answer is passed on."""
        self._phase = Phase.MID_STREAM

    def got_terminal_event(self) -> None:
        """Notes that the answer is complete; what still comes has little time and no power to fail it."""
        self._complete = True
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + TAIL_SECONDS)

    def require_complete(self, headers: Mapping[str, str]) -> None:
        """Raises DocuQueryError unless the terminal event has come; `headers` are the reply's."""
        if self._complete:
            return
        content_type = headers.get("content-type", "text/event-stream")
        streamed = content_type.startswith("text/event-stream")
        raise self.failure(StreamTruncatedError() if streamed else BadResponseError())

    def failure(self, error: Exception) -> DocuQueryError:
        """The typed error for the caller; the details go to the log, without the key or the prompt."""
        typed = translate(error, provider=self._provider, model=self._model, phase=self._phase)
        detail = _told(error)
        for secret in self._secrets:
            detail = detail.replace(secret, "[key]")
        detail = without_quotes(detail[:DETAIL_SCANNED_CHARACTERS], self._private)
        log.warning(
            "provider_call_failed",
            provider=self._provider,
            model=self._model,
            reason=typed.reason_name,
            phase=self._phase.value,
            exception=type(error).__name__,
            http_status=typed.metadata.get("http_status"),
            provider_request_id=typed.metadata.get("provider_request_id"),
            detail=detail[:DETAIL_CHARACTERS],
        )
        return typed


def _told(error: Exception) -> str:
    """What the provider said; the SDKs leave out what FastAPI's servers (vLLM) call `detail`."""
    body = getattr(error, "body", None)
    detail = body.get("detail") if isinstance(body, Mapping) else None
    return f"{error}: {detail}" if detail else str(error)


class TextJoiner:
    """Makes deltas valid text: a character beyond U+FFFF may come as two halves in two JSON strings."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, delta: str) -> str:
        """The text to pass on; a trailing first half waits for the next delta."""
        text = self._half + delta
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if text.isascii():
            return text
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def flush(self) -> str:
        """What stands in for a half that stayed alone; empty when none did."""
        left, self._half = self._half, ""
        return "\ufffd" if left else ""
