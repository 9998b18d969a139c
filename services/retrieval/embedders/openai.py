"""One request to `/embeddings` as OpenAI defines it, and as vLLM, TEI, Ollama and others serve it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import httpx2
import numpy as np
import openai
from numpy.typing import NDArray

from libs.clock import Clock
from services.retrieval.embedders.failures import NOT_UNDERSTOOD, ApiError, Kind, classify

BASE_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "text-embedding-3-small"
_NO_KEY = "no-key"
"""Sent where none is configured: local servers ask for none, but the SDK insists on one."""
_CONNECT_SECONDS = 5.0


class OpenAiEmbeddings:
    """Implements `EmbeddingsApi`. `dimensions` None leaves the length of the vectors to the model."""

    def __init__(
        self, *, model: str, api_key: str, base_url: str, dimensions: int | None, clock: Clock
    ) -> None:
        self.name = f"openai/{model}"
        self._clock = clock
        self._client = openai.AsyncOpenAI(
            api_key=api_key or _NO_KEY,
            base_url=base_url or BASE_URL,
            max_retries=0,  # retries are ours; here they would multiply
            # A redirect would carry texts and perhaps the key to another host.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )
        # Assigned, because None as an argument means OPENAI_ORG_ID and OPENAI_PROJECT_ID.
        self._client.organization = self._client.project = None
        self._settings: dict[str, Any] = {"model": model}
        if dimensions is not None:
            self._settings["dimensions"] = dimensions
        # A third of the bytes, and read ten times as fast.
        self._encoding: Literal["base64", "float"] = "base64"

    async def aclose(self) -> None:
        """Closes the connections to the server."""
        await self._client.close()

    async def embed(self, texts: Sequence[str], timeout_seconds: float) -> NDArray[np.float32]:
        """Shape (len(texts), any), finite, as the model gives them. Raises ApiError."""
        try:
            async with asyncio.timeout(timeout_seconds):
                reply = await self._send(list(texts), timeout_seconds)
            return _vectors(reply, len(texts))
        except Exception as error:
            raise classify(error, self._clock) from error

    async def _send(self, texts: list[str], timeout_seconds: float) -> Any:
        timeout = httpx2.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds))
        body = {**self._settings, "input": texts, "timeout": timeout}
        try:
            return await self._client.embeddings.create(**body, encoding_format=self._encoding)
        except openai.APIStatusError as error:
            if self._encoding == "float" or not _refuses(error, "encoding_format"):
                raise
            self._encoding = "float"
        return await self._client.embeddings.create(**body, encoding_format=self._encoding)


def _refuses(error: openai.APIStatusError, parameter: str) -> bool:
    """Whether a 400 or 422 names the parameter: in `param` as OpenAI does, in `detail[].loc` as FastAPI."""
    if error.status_code not in (400, 422):
        return False
    if error.param == parameter:
        return True
    details = error.body.get("detail") if isinstance(error.body, Mapping) else None
    if not isinstance(details, Sequence) or isinstance(details, str):
        return False
    return any(isinstance(d, Mapping) and parameter in (d.get("loc") or ()) for d in details)


def _vectors(reply: Any, count: int) -> NDArray[np.float32]:
    """The vectors in the order of their texts. The SDK does not validate, so any access may fail."""
    try:
        items = {item.index: item.embedding for item in reply.data}
        if len(reply.data) != count or set(items) != set(range(count)):
            raise ApiError(Kind.REFUSED, NOT_UNDERSTOOD)
        vectors = np.stack([_vector(items[i]) for i in range(count)])
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise ApiError(Kind.REFUSED, NOT_UNDERSTOOD) from error
    if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise ApiError(Kind.REFUSED, NOT_UNDERSTOOD)
    return vectors


def _vector(value: Any) -> NDArray[np.float32]:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
        return np.asarray(value, dtype=np.float32)
