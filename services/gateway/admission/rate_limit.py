"""A rate limit as a moving window: at most so many calls in *any* stretch of so many seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class MovingWindowLimiter:
    """Remembers when each caller's last calls were let in. Pure, but for the injected clock.

    Exact where fixed windows let twice the limit pass at their border. Memory: one number for each call
    let in within the window; callers that have been quiet for a window are forgotten.
    """

    def __init__(self, window_seconds: float, monotonic: Callable[[], float]) -> None:
        if window_seconds <= 0:
            raise ValueError("a rate limit needs a positive window")
        self._window = window_seconds
        self._monotonic = monotonic
        self._calls: dict[str, deque[float]] = {}
        self._swept_at = monotonic()

    async def acquire(self, caller: str, limit: int) -> float:
        """0 when the call may pass, and then it counts; else the seconds until one may.

        `limit` (1 or more) may be another one than last time: a key's rate class can change.
        """
        now = self._monotonic()
        self._sweep(now)
        calls = self._calls.setdefault(caller, deque())
        while calls and calls[0] + self._window <= now:
            calls.popleft()
        if len(calls) >= limit:
            return calls[len(calls) - limit] + self._window - now
        calls.append(now)
        return 0.0

    def _sweep(self, now: float) -> None:
        if now - self._swept_at < self._window:
            return
        self._swept_at = now
        for caller in [name for name, calls in self._calls.items() if calls[-1] + self._window <= now]:
            del self._calls[caller]
