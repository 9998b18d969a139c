"""OpenAI's chat completions, and the many servers that speak the same format."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk

from services.answer.model import TokenUsage
from services.answer.providers.endpoint import client_settings, http_settings, timeout
from services.answer.providers.errors import BadResponseError
from services.answer.providers.protocol import (
    Capabilities,
    Finished,
    FinishReason,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.providers.spec import Endpoint
from services.answer.providers.upstream import TextJoiner, UpstreamCall

BASE_URL = "https://api.openai.com/v1"

FINISH_REASONS = {"length": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTERED}
"""Every other reason a server gives counts as STOP."""

Stream = openai.AsyncStream[ChatCompletionChunk]


class OpenAiProvider:
    """A model behind `/chat/completions`.

    `temperature` None leaves the server's default, and is never sent to a model that refuses it.
    """

    adapter = "openai"

    def __init__(
        self,
        *,
        name: str,
        model: str,
        endpoint: Endpoint,
        organization: str | None = None,
        project: str | None = None,
        capabilities: Capabilities | None = None,
        temperature: float | None = 0.0,
    ) -> None:
        self.name = name
        self.model = model
        self.capabilities = capabilities or Capabilities()
        self._endpoint = endpoint
        self._client = openai.AsyncOpenAI(
            http_client=openai.DefaultAsyncHttpxClient(**http_settings(endpoint)),
            **client_settings(endpoint, BASE_URL),
        )
        # Assigned, because None as an argument means OPENAI_ORG_ID and OPENAI_PROJECT_ID, which need not
        # be those of this instance's account.
        self._client.organization = organization or None
        self._client.project = project or None
        self._settings: dict[str, Any] = {
            self.capabilities.max_tokens_parameter: self.capabilities.answer_tokens
        }
        if temperature is not None and self.capabilities.accepts_temperature:
            self._settings["temperature"] = temperature
        if endpoint.body:
            self._settings["extra_body"] = dict(endpoint.body)
        self._asks_for_usage = True

    def __repr__(self) -> str:
        return f"OpenAiProvider(name={self.name!r}, model={self.model!r})"

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
        reply = await call.open(self._open(request.prompt, timeout_seconds))
        try:
            reason: FinishReason | None = None
            usage: TokenUsage | None = None
            wrote = refused = False
            joiner = TextJoiner()
            while (chunk := await call.next(reply)) is not None:
                try:
                    text, refusal, finish_reason, reported = _read(chunk)
                except (AttributeError, TypeError, IndexError):
                    raise call.failure(BadResponseError()) from None
                usage = reported or usage
                refused = refused or refusal
                if text := joiner.push(text):
                    wrote = True
                    call.got_text()
                    yield TextDelta(text)
                if finish_reason and reason is None:
                    reason = FINISH_REASONS.get(finish_reason, FinishReason.STOP)
                    call.got_terminal_event()
            call.require_complete(reply.response.headers)
            if rest := joiner.flush():
                yield TextDelta(rest)
            if refused and not wrote:
                reason = FinishReason.CONTENT_FILTERED
            yield Finished(reason or FinishReason.STOP, usage)
        finally:
            await reply.close()

    async def _open(self, prompt: RenderedPrompt, timeout_seconds: float) -> Stream:
        """Sends the request; once more, without `stream_options`, to a server that refuses just that."""
        if self._asks_for_usage:
            try:
                return await self._send(prompt, timeout_seconds, {"stream_options": {"include_usage": True}})
            except openai.APIStatusError as error:
                if not _refuses(error, "stream_options"):
                    raise
                self._asks_for_usage = False
        return await self._send(prompt, timeout_seconds, {})

    async def _send(self, prompt: RenderedPrompt, timeout_seconds: float, options: dict[str, Any]) -> Stream:
        messages: list[dict[str, str]] = [{"role": m.role, "content": m.text} for m in prompt.messages]
        if prompt.system:
            messages.insert(0, {"role": "system", "content": prompt.system})
        body: dict[str, Any] = {"model": self.model, "messages": messages, **self._settings, **options}
        stream: Stream = await self._client.chat.completions.create(
            **body, stream=True, timeout=timeout(self._endpoint, timeout_seconds)
        )
        return stream


def _read(chunk: ChatCompletionChunk) -> tuple[str, bool, str | None, TokenUsage | None]:
    """Text, whether it refuses, finish reason, usage. The SDK does not validate, so any access may fail."""
    usage = None
    if chunk.usage is not None:
        usage = _usage(chunk.usage)
    if not chunk.choices:  # the chunk that carries usage
        return "", False, None, usage
    choice = chunk.choices[0]
    content = choice.delta.content or ""
    if not isinstance(content, str):
        raise TypeError("content is no text")
    return content, bool(choice.delta.refusal), choice.finish_reason, usage


def _usage(reported: CompletionUsage) -> TokenUsage:
    """The tokens; compatible servers leave the details out, or null."""
    details = reported.prompt_tokens_details
    return TokenUsage(
        reported.prompt_tokens,
        reported.completion_tokens,
        cached_prompt_tokens=(details.cached_tokens or 0) if details else 0,
    )


def _refuses(error: openai.APIStatusError, parameter: str) -> bool:
    """Whether a 400 or 422 names the parameter: in `param` as OpenAI does, in `detail[].loc` as FastAPI."""
    if error.status_code not in (400, 422):
        return False
    if isinstance(error.param, str) and error.param.split(".")[0] == parameter:
        return True
    details = error.body.get("detail") if isinstance(error.body, Mapping) else None
    if not isinstance(details, Sequence) or isinstance(details, str):
        return False
    return any(isinstance(d, Mapping) and parameter in (d.get("loc") or ()) for d in details)
