"""Tries again what may work a moment later, for a bounded time."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError

log = structlog.get_logger()

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

_TRANSIENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_TRANSIENT_REASONS = frozenset(
    {
        reasons.ERROR_REASON_OVERLOADED,
        # From a service that is being stopped. Our own caller going away cancels us instead.
        reasons.ERROR_REASON_CALLER_CANCELLED,
    }
)


class Retry:
    """Calls again after transient failures until `budget_seconds` have passed since the first call.

    The pauses have full jitter: random between 0 and min(0.1 s · 2^n, 2 s), or what the failed service
    asks for when that is longer.
    """

    def __init__(self, *, budget_seconds: float, clock: Clock, rng: random.Random) -> None:
        self._budget_seconds = budget_seconds
        self._clock = clock
        self._rng = rng

    async def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        """The result of `operation`, which must do no harm when it runs twice.

        Raises DocuQueryError: a lasting failure at once, the last transient one when the time is up.
        """
        give_up = self._clock.monotonic() + self._budget_seconds
        attempt = 0
        while True:
            try:
                return await operation()
            except DocuQueryError as error:
                if not _transient(error):
                    raise
                longest = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
                pause = max(self._rng.uniform(0, longest), error.retry_after_seconds or 0.0)
                if self._clock.monotonic() + pause > give_up:
                    raise
                log.info(
                    "retrying", reason=error.reason_name, attempt=attempt + 1, pause_seconds=round(pause, 3)
                )
            await self._clock.sleep(pause)
            attempt += 1


def _transient(error: DocuQueryError) -> bool:
    return error.code in _TRANSIENT_CODES or error.reason in _TRANSIENT_REASONS
