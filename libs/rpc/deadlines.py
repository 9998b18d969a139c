"""A point in time by which work must be done, handed down instead of a timeout.

gRPC for Python does not pass a deadline on to outbound calls; we do, by `Deadline.remaining`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError

_TIMER_SECONDS = 0.002
"""How much too early a timer of the event loop may ring (uvloop counts whole milliseconds, and rounds)."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock; `at` is infinite when there is no limit."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        """The moment `seconds` from now."""
        return cls(clock.monotonic() + seconds, clock)

    @classmethod
    def never(cls, clock: Clock) -> Deadline:
        """No limit."""
        return cls(math.inf, clock)

    def remaining(self) -> float:
        """Seconds left: 0 when it has passed, infinite when there is no limit.

        It has passed as soon as a timer set for it can have rung: who was woken by one asks what the time is.
        """
        left = self.at - self.clock.monotonic()
        return left if left > _TIMER_SECONDS else 0.0

    def require(self, minimum_seconds: float) -> None:
        """Raises DEADLINE_TOO_SHORT when less than `minimum_seconds` is left."""
        if self.remaining() < minimum_seconds:
            raise DocuQueryError(
                reasons.ERROR_REASON_DEADLINE_TOO_SHORT,
                f"Less than {minimum_seconds * 1000:.0f} ms was left, too little to begin. "
                "Allow more time and try again.",
                metadata={"minimum_ms": f"{minimum_seconds * 1000:.0f}"},
            )

    def slice(self, *, share: float = 1.0, cap: float = math.inf, reserve: float = 0.0) -> float:
        """A timeout in seconds for one step.

        `reserve` seconds are set aside first; of the rest at most `share` (0 to 1) and at most `cap`
        seconds.
        """
        return min(cap, max(0.0, self.remaining() - reserve) * share)
