"""Counts calls and failures over the last seconds, in a few buckets instead of a list of calls."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    number: int
    calls: int = 0
    failures: int = 0


class SlidingWindow:
    """Calls and failures of the last `seconds`, at a resolution of `seconds / buckets`.

    A call is forgotten between `seconds - seconds / buckets` and `seconds` after it was added.
    """

    def __init__(self, seconds: float, buckets: int) -> None:
        if seconds <= 0 or buckets < 1:
            raise ValueError("a window needs a positive length and at least one bucket")
        self._width = seconds / buckets
        self._count = buckets
        self._buckets: deque[_Bucket] = deque()

    def add(self, now: float, *, failed: bool) -> None:
        """Counts one call that ended at `now`, seconds on any monotonic clock."""
        number = int(now // self._width)
        if not self._buckets or self._buckets[-1].number < number:
            self._buckets.append(_Bucket(number))
        self._buckets[-1].calls += 1
        self._buckets[-1].failures += failed
        self._forget(number)

    def totals(self, now: float) -> tuple[int, int]:
        """Calls and failures in the window that ends at `now`."""
        self._forget(int(now // self._width))
        return sum(bucket.calls for bucket in self._buckets), sum(bucket.failures for bucket in self._buckets)

    def clear(self) -> None:
        """Forgets everything."""
        self._buckets.clear()

    def _forget(self, number: int) -> None:
        while self._buckets and self._buckets[0].number <= number - self._count:
            self._buckets.popleft()
