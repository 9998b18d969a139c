"""Room for so many calls of a kind at a time, and a short queue before the door.

Bulkheads keep one kind of call from taking what another needs. The queue is bounded in length and in time: a
call that would wait long is better refused at once, while the caller can still do something else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

SMALLEST = 32
"""Places that are left under any pressure: enough to keep a core busy."""

_FIRST_GUESS_SECONDS = 0.1
"""How long a call holds its place, until one has shown it."""
_SMOOTHING = 0.1
"""Weight of the newest call in the mean."""
_SHORTEST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 30.0


class Full(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """There is no room, and there was none for as long as one may wait."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"full for about {retry_after_seconds:.1f} s")
        self.retry_after_seconds = retry_after_seconds


class Bulkhead:
    """`limit` places; as many calls may wait, first come, first served, each at most `wait_seconds`.

    Under pressure it can be made smaller (`resize`); who is inside stays.
    """

    def __init__(
        self,
        limit: int,
        wait_seconds: float,
        *,
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        if limit < 1:
            raise ValueError("a bulkhead needs at least one place")
        self._most = self._limit = limit
        self._wait_seconds = wait_seconds
        self._monotonic = monotonic
        self._random = random
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._mean_seconds = _FIRST_GUESS_SECONDS

    @property
    def places(self) -> int:
        """Its full size."""
        return self._most

    @property
    def limit(self) -> int:
        """Its present size."""
        return self._limit

    @property
    def inside(self) -> int:
        """Calls that have a place."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Calls that wait for one."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether a call that came now would be refused at once."""
        return self._inside >= self._limit and len(self._waiting) >= self._limit

    def part(self) -> Bulkhead:
        """A bulkhead of its own, in which one waits as long, and calls take as long."""
        part = Bulkhead(self._limit, self._wait_seconds, monotonic=self._monotonic, random=self._random)
        part._mean_seconds = self._mean_seconds
        return part

    def resize(self, share: float) -> None:
        """Makes it this share (0 to 1) of its full size, but never smaller than `SMALLEST`."""
        self.limit_to(max(min(self._most, SMALLEST), round(self._most * share)))

    def limit_to(self, limit: int) -> None:
        """Makes it so large, 1 place or more."""
        self._limit = limit
        while self._inside < self._limit and self._waiting:
            self._inside += 1
            self._pass_on()

    async def enter(self, patience_seconds: float) -> float:
        """Takes a place; returns the moment, for `leave`. Waits at most `patience_seconds`. Raises Full."""
        if self._inside < self._limit:
            self._inside += 1
            return self._monotonic()
        patience = min(self._wait_seconds, patience_seconds)
        if len(self._waiting) >= self._limit or patience <= 0:
            raise Full(self.retry_after())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(patience):
                await place
        except BaseException as error:
            if not place.cancelled():
                self._pass_on()  # the place was given in the same moment
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise Full(self.retry_after()) from None
            raise
        return self._monotonic()

    def leave(self, entered_at: float) -> None:
        """Gives the place to the first who waits."""
        seconds = self._monotonic() - entered_at
        self._mean_seconds += _SMOOTHING * (seconds - self._mean_seconds)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting and self._inside <= self._limit:
            place = self._waiting.popleft()
            if not place.done():  # else its call has just given up
                place.set_result(None)
                return
        self._inside -= 1

    def retry_after(self) -> float:
        """Seconds until those who are here and wait have gone through, by the mean time they take.

        Doubled at random, so that those who were refused together do not return together.
        """
        estimate = self._mean_seconds * (len(self._waiting) + self._limit) / self._limit
        return min(_LONGEST_WAIT_SECONDS, max(_SHORTEST_WAIT_SECONDS, estimate) * (1 + self._random()))
