"""Waiting for an embedder or a store that is down: what was done until then is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.clock import Clock
from libs.errors import DocuQueryError

T = TypeVar("T")

_PAUSE_SECONDS = 10.0


class Patience:
    """Repeats what may succeed later."""

    def __init__(self, clock: Clock, tell: Callable[[str], None], max_tries: int | None = None) -> None:
        """`tell` hears of each failure; None tries for ever."""
        self._clock = clock
        self._tell = tell
        self._max_tries = max_tries

    async def with_retries(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns in the end. Raises what waiting does not help, or not for so many tries."""
        tries = 0
        while True:
            try:
                return await call()
            except DocuQueryError as error:
                tries += 1
                if not error.retryable or tries == self._max_tries:
                    raise
                pause = error.retry_after_seconds or _PAUSE_SECONDS
                self._tell(f"{error.message} Next try in {pause:.0f} s.")
            await self._clock.sleep(pause)
