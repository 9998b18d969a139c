"""Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import anthropic
from anthropic.types import RawMessageStreamEvent

from services.answer.model import TokenUsage
from services.answer.providers.endpoint import client_settings, http_settings, timeout
from services.answer.providers.errors import BadResponseError
from services.answer.providers.protocol import (
    Capabilities,
    Cited,
    Document,
    Finished,
    FinishReason,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.providers.spec import Endpoint
from services.answer.providers.upstream import TextJoiner, UpstreamCall

BASE_URL = "https://api.anthropic.com"

MAX_TEMPERATURE = 1.0
"""The API's limit; OpenAI's is 2."""

STOP_REASONS = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTERED,
}
"""Every other reason (`end_turn`, `stop_sequence`, ...) counts as STOP."""

Stream = anthropic.AsyncStream[RawMessageStreamEvent]


class AnthropicProvider:
    """A model behind `/v1/messages`; arguments as for OpenAiProvider."""

    adapter = "anthropic"

    def __init__(
        self,
        *,
        name: str,
        model: str,
        endpoint: Endpoint,
        capabilities: Capabilities | None = None,
        temperature: float | None = 0.0,
    ) -> None:
        self.name = name
        self.model = model
        self.capabilities = capabilities or Capabilities()
        self._endpoint = endpoint
        self._client = anthropic.AsyncAnthropic(
            http_client=anthropic.DefaultAsyncHttpxClient(**http_settings(endpoint)),
            **client_settings(endpoint, BASE_URL),
        )
        self._settings: dict[str, Any] = {"max_tokens": self.capabilities.answer_tokens}
        extra: dict[str, Any] = {}
        if temperature is not None and self.capabilities.accepts_temperature:
            # The API takes it from the models that have it; the SDK no longer has an argument for it.
            extra["temperature"] = min(temperature, MAX_TEMPERATURE)
        self._settings["extra_body"] = {**extra, **endpoint.body}

    def __repr__(self) -> str:
        return f"AnthropicProvider(name={self.name!r}, model={self.model!r})"

    async def aclose(self) -> None:
        """Closes the connections to the server."""
        await self._client.close()

    async def stream(
        self, request: ProviderRequest, timeout_seconds: float
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Writes an answer; see `Provider.stream`."""
        timeout_seconds = min(timeout_seconds, self._endpoint.timeout_seconds)
        call = UpstreamCall(
            provider=self.name,
            model=self.model,
            timeout_seconds=timeout_seconds,
            secrets=self._endpoint.secrets,
            private=request.prompt.texts,
        )
        reply = await call.open(self._send(request.prompt, timeout_seconds))
        try:
            reason = FinishReason.STOP
            asked: TokenUsage | None = None
            completion_tokens: int | None = None
            joiner = TextJoiner()
            cited: list[Cited] = []
            while (event := await call.next(reply)) is not None:
                try:
                    text = joiner.push(_text(event))
                    if event.type == "message_start":
                        asked = _prompt_usage(event.message.usage)
                    elif event.type == "message_delta":
                        reason = STOP_REASONS.get(event.delta.stop_reason or "", reason)
                        completion_tokens = event.usage.output_tokens if event.usage else None
                        asked = _prompt_usage(event.usage) or asked  # the sum; gateways know it only now
                    elif event.type == "message_stop":
                        call.got_terminal_event()
                    elif citation := _citation(event):
                        cited.append(citation)
                except (AttributeError, TypeError):
                    raise call.failure(BadResponseError()) from None
                if text:
                    call.got_text()
                    yield TextDelta(text)
                if event.type == "content_block_stop":
                    # Within a block they may come before its text; they are about all of it.
                    for one in cited:
                        yield one
                    cited = []
            call.require_complete(reply.response.headers)
            if rest := joiner.flush():
                yield TextDelta(rest)
            usage = None
            if asked is not None and completion_tokens is not None:
                usage = replace(asked, completion_tokens=completion_tokens)
            yield Finished(reason, usage)
        finally:
            await reply.close()

    async def _send(self, prompt: RenderedPrompt, timeout_seconds: float) -> Stream:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": _messages(prompt),
            **self._settings,
        }
        if prompt.system:
            body["system"] = prompt.system
        stream: Stream = await self._client.messages.create(
            **body, stream=True, timeout=timeout(self._endpoint, timeout_seconds)
        )
        return stream


def _text(event: RawMessageStreamEvent) -> str:
    """The text an event carries. The SDK does not validate, so any access may fail."""
    if event.type != "content_block_delta" or event.delta.type != "text_delta":
        return ""
    if not isinstance(event.delta.text, str):
        raise TypeError("text is no text")
    return event.delta.text


def _messages(prompt: RenderedPrompt) -> list[dict[str, Any]]:
    """The turns; documents, where there are any, stand before the text of the last one."""
    messages: list[dict[str, Any]] = [{"role": m.role, "content": m.text} for m in prompt.messages]
    if prompt.documents:
        question = {"type": "text", "text": messages[-1]["content"]}
        messages[-1]["content"] = [*map(_document, prompt.documents), question]
    return messages


def _document(document: Document) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": document.text},
        "title": document.title,
        "citations": {"enabled": True},
    }
    if document.context:
        block["context"] = document.context
    return block


def _citation(event: RawMessageStreamEvent) -> Cited | None:
    """A piece of a document the model refers to. The SDK does not validate, so any access may fail."""
    if event.type != "content_block_delta" or event.delta.type != "citations_delta":
        return None
    citation = event.delta.citation
    if citation.type != "char_location":
        return None
    found = Cited(citation.document_index, citation.start_char_index, citation.cited_text)
    if not (isinstance(found.document, int) and isinstance(found.start, int) and isinstance(found.text, str)):
        raise TypeError("a citation has not its documented shape")
    return found


def _prompt_usage(usage: Any) -> TokenUsage | None:
    """The prompt's tokens: computed, written to the cache and read from it; None if not reported."""
    if usage is None or usage.input_tokens is None:
        return None
    written, read = usage.cache_creation_input_tokens or 0, usage.cache_read_input_tokens or 0
    total = int(usage.input_tokens + written + read)
    return TokenUsage(total, 0, cached_prompt_tokens=read, cache_write_tokens=written)
