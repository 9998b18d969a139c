"""Refused calls in the log: a line a second says how many, not one for each.

Under overload most calls are refused, and writing that down must not cost what serving would.
"""

from __future__ import annotations

from collections import Counter

import structlog

from libs.clock import Clock
from libs.rpc.layered import IncomingCall
from services.gateway.telemetry import REFUSALS

log = structlog.get_logger()

_EVERY_SECONDS = 1.0


class Refusals:
    """Counts refusals and tells of them at most once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told_at = -_EVERY_SECONDS

    def note(self, call: IncomingCall, by: str) -> None:
        """Notes that `call` is refused by the rule `by`, and keeps it out of the log of calls."""
        call.logged = False
        method = call.method.rpartition("/")[2]
        REFUSALS.add(method, by)
        self._counts[method, by] += 1
        now = self._clock.monotonic()
        if now - self._told_at >= _EVERY_SECONDS:
            self._told_at = now
            for (refused, rule), count in self._counts.items():
                log.warning("calls_refused", method=refused, by=rule, count=count)
            self._counts.clear()
