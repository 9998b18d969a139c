"""Refused calls in the log: a line a second says how many, not one for each.

Under overload most calls are refused, and writing that down must not cost what serving would.
"""

from __future__ import annotations

from collections import Counter
from contextvars import Context

import structlog

from libs.clock import Clock
from libs.rpc.context import Identity
from services.gateway.telemetry import REFUSALS

log = structlog.get_logger()

_EVERY_SECONDS = 1.0
_MOST_LINES = 10


class Refusals:
    """Counts refusals and tells of them at most once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[tuple[str, str, Identity | None]] = Counter()
        self._told_at = -_EVERY_SECONDS

    def note(self, method: str, by: str, caller: Identity | None = None) -> None:
        """Notes that a call of `method` is refused by the rule `by`; `caller`: if it is about one."""
        name = method.rpartition("/")[2]
        REFUSALS.add(name, by)
        self._counts[name, by, caller] += 1
        now = self._clock.monotonic()
        if now - self._told_at >= _EVERY_SECONDS:
            self._told_at = now
            Context().run(self._tell)  # without the names of the call that happens to be the last
            self._counts.clear()

    def _tell(self) -> None:
        told = self._counts.most_common(_MOST_LINES)
        for (method, rule, caller), count in told:
            who = {"tenant": caller.tenant, "caller": caller.caller} if caller is not None else {}
            log.warning("calls_refused", method=method, by=rule, count=count, **who)
        more = self._counts.total() - sum(count for _, count in told)
        if more:
            log.warning("calls_refused", by="several", count=more)
