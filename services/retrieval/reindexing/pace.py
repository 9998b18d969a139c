"""How fast a store is filled: behind everything else that goes on."""

from __future__ import annotations

from libs.clock import Clock


class Pace:
    """Pauses after each bit of work."""

    def __init__(self, clock: Clock, *, rest: float = 0.0, max_per_second: float = 0.0) -> None:
        """`rest`: seconds of rest after each second of work; `max_per_second`: chunks, 0 is no limit."""
        self._clock = clock
        self._rest = rest
        self._max_per_second = max_per_second
        self._next = -float("inf")

    async def after(self, chunks: int, worked_seconds: float) -> None:
        """To be called after so many chunks, on which so much time went, waits for others excluded."""
        now = self._clock.monotonic()
        pause = worked_seconds * self._rest
        if self._max_per_second:
            self._next = max(self._next, now) + chunks / self._max_per_second
            pause = max(pause, self._next - now)
        await self._clock.sleep(pause)
