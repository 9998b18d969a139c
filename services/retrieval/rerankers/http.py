"""A reranker behind HTTP: any `/rerank` endpoint of the common shapes.

Text Embeddings Inference takes `{"query", "texts"}` and answers `[{"index", "score"}]`; Jina, Cohere, vLLM
and others take `{"model", "query", "documents"}` and answer `{"results": [{"index", "relevance_score"}]}`.
The request is one of the two, by whether a model is named; either answer is understood.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from services.retrieval.indexing.indexer import contextual_text
from services.retrieval.rerankers.protocol import Candidate, RerankError, RerankQuery


class HttpReranker:
    """Implements `Reranker`. Build with `open_http`."""

    minimum_seconds = 0.1
    default_candidates = 50

    def __init__(self, client: httpx2.AsyncClient, url: str, model: str) -> None:
        self._client = client
        self._url = url
        self._model = model

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        texts = [contextual_text(candidate.chunk) for candidate in candidates]
        body: dict[str, Any]
        if self._model:
            body = {"model": self._model, "query": query.text, "documents": texts, "top_n": len(texts)}
        else:
            body = {"query": query.text, "texts": texts}
        try:
            response = await self._client.post(self._url, json=body)
            response.raise_for_status()
            return _scores(response.json(), len(texts))
        except httpx2.HTTPStatusError as error:
            raise RerankError(f"the endpoint answered {error.response.status_code}") from error
        except httpx2.HTTPError as error:
            raise RerankError(f"{type(error).__name__}: {error}") from error
        except ValueError as error:
            raise RerankError(f"the endpoint's answer is not a ranking: {error}") from error


def _scores(answer: Any, count: int) -> list[float]:
    """The scores in the order the texts were sent. Raises ValueError unless there is one for each."""
    results = answer.get("results") if isinstance(answer, dict) else answer
    if not isinstance(results, list):
        raise ValueError("no list of results")
    scores = [math.nan] * count
    for result in results:
        if not isinstance(result, dict):
            raise ValueError("a result that is no object")
        index, score = result.get("index"), result.get("relevance_score", result.get("score"))
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
            raise ValueError(f"index {index!r} for {count} texts")
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise ValueError(f"score {score!r}")
        scores[index] = float(score)
    if not all(map(math.isfinite, scores)):
        raise ValueError(f"{sum(map(math.isfinite, scores))} finite scores for {count} texts")
    return scores


@asynccontextmanager
async def open_http(
    url: str, *, api_key: str, model: str, timeout_seconds: float
) -> AsyncIterator[HttpReranker]:
    """`url` is the endpoint itself; a `model` makes the request that of Jina and Cohere."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=timeout_seconds) as client:
        yield HttpReranker(client, url, model)
