"""An embedder at the other end of a network: batches, a bound on concurrency, retries, a time limit."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.embedders.failures import NOT_UNDERSTOOD, ApiError, Kind
from services.retrieval.embedders.texts import batches, refuse_blank

log = structlog.get_logger()

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0
_LONGEST_PARK_SECONDS = 60.0
"""Also how long after a lasting failure: its cause is an operator's to remove."""
_OUTAGE_PARK_SECONDS = 5.0
"""After a call has failed for good: meanwhile queries go by words at once, instead of waiting each. Twice
as long after each further one in a row."""
_QUERY_PATIENCE_SECONDS = 0.5
"""A question that would have to wait for longer is better answered by words."""
_CALL_RESERVE_SECONDS = 0.25
"""Of the caller's time, to report the failure in."""
_REQUEST_SHARE = 0.5
"""Of `timeout_seconds`, for one request: one that hangs leaves time for another."""
_QUERY_SHARE = 0.5
"""Of the caller's time, for a question: the rest is for searching by words, should this fail."""


class EmbeddingsApi(Protocol):
    """One way to ask a server."""

    @property
    def name(self) -> str:
        """Provider and model."""
        ...

    async def embed(self, texts: Sequence[str], timeout_seconds: float) -> NDArray[np.float32]:
        """One request: finite vectors of equal length, one a text, in order. Raises ApiError."""
        ...


_BUSY = "The embeddings server has more to do than it gets done. Try again in a moment."
_FINAL = frozenset({Kind.LASTING, Kind.REFUSED, Kind.TOO_LARGE})
_OUTAGES = frozenset({Kind.TRANSIENT, Kind.RATE_LIMITED})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server is given to do."""

    batch_texts: int
    """Texts a request, at most."""
    batch_tokens: int
    """Estimated tokens a request, at most; a longer text goes alone."""
    concurrency: int
    """Requests for passages at a time; questions go besides."""
    timeout_seconds: float
    """The longest a call may take, with its waits and retries."""


@dataclass(frozen=True, slots=True)
class _Budget:
    """What a call may spend."""

    give_up: float
    """When it ends, on the clock's monotonic scale."""
    patience_seconds: float
    """The longest it waits between two attempts."""


class RemoteEmbedder:
    """Implements `Embedder`. Build with `connect`, which learns the dimensions."""

    def __init__(
        self,
        api: EmbeddingsApi,
        limits: Limits,
        *,
        dimensions: int,
        clock: Clock,
        rng: random.Random,
        remaining_seconds: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """`remaining_seconds` is what the caller of the moment has left. `dimensions` 0: any will do."""
        self._api = api
        self._limits = limits
        self._dimensions = dimensions
        self._clock = clock
        self._rng = rng
        self._remaining_seconds = remaining_seconds
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._parked_until = -math.inf
        self._parked_because = ""
        self._outages = 0

    @property
    def name(self) -> str:
        return self._api.name

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def batch_texts(self) -> int:
        return self._limits.batch_texts

    async def learn_dimensions(self, expected: int | None, remembered: int | None = None) -> None:
        """Asks the server for a vector; of other than `expected` dimensions it is refused.

        A server that cannot be reached is taken to give what is expected, else what is `remembered`.
        Raises EMBEDDER_UNAVAILABLE when it gives another length, or nothing is known of it.
        """
        self._dimensions = 0
        try:
            found = len(await self.embed_query("dimensions"))
        except DocuQueryError as error:
            found = expected or remembered or 0
            if not found:
                raise
            log.warning("embedder_unavailable_at_start", embedder=self.name, message=error.message)
        if expected and found != expected:
            raise _unavailable(
                f"The model {self.name} gives vectors of {found} dimensions. Set EMBEDDING_DIMENSIONS to "
                "that, or leave it empty.",
                None,
            )
        self._dimensions = found

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        refuse_blank(texts)
        budget = self._budget(self._remaining_seconds() - _CALL_RESERVE_SECONDS, math.inf)
        limits = self._limits
        parts = batches(texts, max_texts=limits.batch_texts, max_tokens=limits.batch_tokens)
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)

        async def fill(part: slice) -> None:
            vectors[part] = await self._request(texts[part], budget, self._slots)

        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(fill(part))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return vectors

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        refuse_blank((text,))
        budget = self._budget(self._remaining_seconds() * _QUERY_SHARE, _QUERY_PATIENCE_SECONDS)
        # No slot: a question does not queue behind a document.
        vector: NDArray[np.float32] = (await self._request([text], budget, asyncio.Semaphore()))[0]
        return vector

    def _budget(self, caller_seconds: float, patience_seconds: float) -> _Budget:
        give_up = self._clock.monotonic() + min(self._limits.timeout_seconds, caller_seconds)
        return _Budget(give_up, patience_seconds)

    async def _request(
        self, texts: Sequence[str], budget: _Budget, slots: asyncio.Semaphore
    ) -> NDArray[np.float32]:
        """Asks until there is a reply or no more time."""
        attempt = 0
        while True:
            await self._wait_while_parked(budget)
            try:
                vectors = await self._once(texts, budget, slots)
                if vectors is not None:
                    return vectors
                continue
            except ApiError as failure:
                if failure.kind is Kind.TOO_LARGE and len(texts) > 1:
                    break
                pause = self._pause_after(failure, attempt, budget)
                log.info(
                    "embedding_retried", kind=failure.kind.name, attempt=attempt + 1, pause_seconds=pause
                )
            await self._clock.sleep(pause)
            attempt += 1
        middle = len(texts) // 2
        halves = [await self._request(half, budget, slots) for half in (texts[:middle], texts[middle:])]
        return np.concatenate(halves)

    async def _once(
        self, texts: Sequence[str], budget: _Budget, slots: asyncio.Semaphore
    ) -> NDArray[np.float32] | None:
        """One attempt; None when another request's failure came while this one waited for its slot."""
        try:
            async with asyncio.timeout(budget.give_up - self._clock.monotonic()):
                await slots.acquire()
        except TimeoutError:
            # Says nothing of the server; a question may well be answered meanwhile.
            raise _unavailable(_BUSY, _OUTAGE_PARK_SECONDS) from None
        try:
            now = self._clock.monotonic()
            if now < self._parked_until:
                return None
            limit = self._limits.timeout_seconds * _REQUEST_SHARE
            given = max(0.0, min(budget.give_up - now, limit))
            vectors = self._checked(await self._api.embed(texts, given), len(texts))
            self._outages = 0
            return vectors
        except ApiError as failure:
            if failure.kind is Kind.TIMEOUT and given >= limit / 2:
                raise ApiError(Kind.TRANSIENT, failure.message) from failure
            raise
        finally:
            slots.release()

    def _checked(self, vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        if self._dimensions and vectors.shape != (count, self._dimensions):
            raise ApiError(
                Kind.LASTING,
                f"The embeddings server gives vectors of {vectors.shape[1]} dimensions, the store has "
                f"{self._dimensions}. The operator must set EMBEDDING_MODEL and EMBEDDING_DIMENSIONS back.",
            )
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if not lengths.all():
            raise ApiError(Kind.REFUSED, NOT_UNDERSTOOD)
        normalised: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
        return normalised

    async def _wait_while_parked(self, budget: _Budget) -> None:
        now = self._clock.monotonic()
        if now >= self._parked_until:
            return
        wait = self._parked_until - now
        if self._parked_until >= budget.give_up or wait > budget.patience_seconds:
            raise _unavailable(self._parked_because, wait)
        # Not all who waited at the same instant.
        await self._clock.sleep(wait + self._rng.uniform(0, _FIRST_PAUSE_SECONDS))

    def _pause_after(self, failure: ApiError, attempt: int, budget: _Budget) -> float:
        """Seconds until the next attempt. Raises EMBEDDER_UNAVAILABLE when there is none.

        Full jitter: random between 0 and min(0.25 s · 2^n, 4 s), and not before the server asks for it.
        """
        asked = min(failure.retry_after_seconds or 0.0, _LONGEST_PARK_SECONDS)
        pause = asked + self._rng.uniform(0, min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS))
        now = self._clock.monotonic()
        ends = failure.kind in _FINAL or now + pause >= budget.give_up or pause > budget.patience_seconds
        if failure.kind is Kind.LASTING:
            asked = _LONGEST_PARK_SECONDS
        elif ends and failure.kind in _OUTAGES:
            asked = asked or min(_OUTAGE_PARK_SECONDS * 2**self._outages, _LONGEST_PARK_SECONDS)
            # Those that failed beside each other are one outage.
            self._outages += now >= self._parked_until
        if now + asked > max(now, self._parked_until):
            self._parked_until, self._parked_because = now + asked, failure.message
        if not ends:
            return pause
        log.warning("embedding_failed", kind=failure.kind.name, attempts=attempt + 1, park_seconds=asked)
        raise _unavailable(failure.message, asked or None) from failure


def _unavailable(message: str, retry_after_seconds: float | None) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, message, retry_after_seconds=retry_after_seconds
    )
