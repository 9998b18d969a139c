"""Models to judge by, over the providers' own SDKs, which retry what passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anthropic
import httpx2
import openai

from docuquery_client.evaluation.judge.judging import Model, ModelError

_TIMEOUT_SECONDS = 60.0
_RETRIES = 3
_MAX_TOKENS = 2_000
"""Far more than a verdict: models that think count their thoughts."""
_RECURRING = frozenset({401, 402, 403, 404})
"""HTTP status codes that the next call would get, too."""


class JudgeConfigurationError(Exception):
    """The judge cannot be asked as it is configured. The text is for people."""


class OpenAiModel:
    """A model behind the chat completions of OpenAI or of any server that speaks them."""

    def __init__(self, model: str, api_key: str, base_url: str) -> None:
        self.name = f"openai:{model}"
        self._model = model
        self._client = openai.AsyncOpenAI(
            # Servers on one's own machine want none, but the SDK does.
            api_key=api_key or "none",
            base_url=base_url,
            max_retries=_RETRIES,
            timeout=_TIMEOUT_SECONDS,
            # A redirect would carry the documents and perhaps the key to another host.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def complete(self, system: str, user: str) -> str:
        text = ""
        try:
            stream = await self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        except openai.APIStatusError as error:
            raise _status_error(error.status_code) from None
        except (openai.APIError, httpx2.HTTPError, ValueError) as error:
            raise _broken(error) from None
        return text

    async def aclose(self) -> None:
        await self._client.close()


class AnthropicModel:
    """A model behind Anthropic's messages."""

    def __init__(self, model: str, api_key: str, base_url: str) -> None:
        self.name = f"anthropic:{model}"
        self._model = model
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key or "none",
            base_url=base_url,
            max_retries=_RETRIES,
            timeout=_TIMEOUT_SECONDS,
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def complete(self, system: str, user: str) -> str:
        text = ""
        try:
            async with self._client.messages.stream(
                model=self._model,
                max_tokens=_MAX_TOKENS,
                system=system,
                messages=[{"role": "user", "content": user}],
            ) as stream:
                async for piece in stream.text_stream:
                    text += piece
        except anthropic.APIStatusError as error:
            raise _status_error(error.status_code) from None
        except (anthropic.APIError, httpx2.HTTPError, ValueError) as error:
            raise _broken(error) from None
        return text

    async def aclose(self) -> None:
        await self._client.close()


@dataclass(frozen=True, slots=True)
class _Provider:
    build: Callable[[str, str, str], Model]
    key_variable: str
    url_variable: str
    url: str
    """Where it is by itself. Given to the SDK always: it would look into the environment otherwise."""


_PROVIDERS = {
    "openai": _Provider(OpenAiModel, "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "anthropic": _Provider(
        AnthropicModel, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"
    ),
}
KEY_VARIABLE, URL_VARIABLE = "DOCUQUERY_JUDGE_API_KEY", "DOCUQUERY_JUDGE_BASE_URL"


def judge_model(name: str, environment: Mapping[str, str]) -> Model:
    """The model `name` (`openai:MODEL` or `anthropic:MODEL`) with the key and the address of the environment.

    These are the judge's own, DOCUQUERY_JUDGE_API_KEY and DOCUQUERY_JUDGE_BASE_URL, or else the provider's;
    the two pairs are never mixed, so that no key goes to a server it is not meant for. Raises
    JudgeConfigurationError.
    """
    provider, _, model = name.partition(":")
    if provider not in _PROVIDERS or not model:
        shapes = " or ".join(f"{known}:MODEL" for known in _PROVIDERS)
        raise JudgeConfigurationError(f"{name!r} is no judge: it must be {shapes}.")
    known = _PROVIDERS[provider]
    pairs = ((KEY_VARIABLE, URL_VARIABLE), (known.key_variable, known.url_variable))
    for key, url in ((environment.get(one, ""), environment.get(two, "")) for one, two in pairs):
        if key or url:
            return known.build(model, key, url or known.url)
    raise JudgeConfigurationError(
        f"{name} needs a key or an address: set {KEY_VARIABLE} or {known.key_variable}, or for a server of "
        f"your own {URL_VARIABLE} or {known.url_variable}."
    )


def _status_error(status: int) -> ModelError:
    return ModelError(f"HTTP {status}", will_recur=status in _RECURRING)


def _broken(error: Exception) -> ModelError:
    return ModelError(type(error).__name__, will_recur=False)
