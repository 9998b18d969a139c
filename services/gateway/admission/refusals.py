"""Refused calls in the log: a line a second says how many, not one for each.

Under overload most calls are refused, and writing that down must not cost what serving would.
"""

from __future__ import annotations

from collections import Counter

import structlog

from libs.clock import Clock
from services.gateway.telemetry import REFUSALS

log = structlog.get_logger()

_EVERY_SECONDS = 1.0


class Refusals:
    """Counts refusals and tells of them at most once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told_at = -_EVERY_SECONDS

    def note(self, method: str, by: str) -> None:
        """Notes that a call of `method` is refused by the rule `by`."""
        name = method.rpartition("/")[2]
        REFUSALS.add(name, by)
        self._counts[name, by] += 1
        now = self._clock.monotonic()
        if now - self._told_at >= _EVERY_SECONDS:
            self._told_at = now
            for (refused, rule), count in self._counts.items():
                log.warning("calls_refused", method=refused, by=rule, count=count)
            self._counts.clear()
