"""What one run of the breaker simulation recorded, and when its fault lasted."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.gateway.breakers.model import State

BEFORE_SECONDS, FAULT_SECONDS, AFTER_SECONDS = 30.0, 180.0, 150.0
FIRST = "first"
"""The provider that has the fault."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one question."""

    at: float
    """When it was asked, in seconds since the start."""
    by: str
    """Who answered; empty: nobody."""
    first_text_seconds: float


@dataclass(slots=True)
class Run:
    """One simulation."""

    asked: list[Asked] = field(default_factory=list)
    wasted_at: list[float] = field(default_factory=list)
    """When calls of the first provider began that came to nothing."""
    states: list[tuple[float, State]] = field(default_factory=list)
    """The first provider's breaker, twice a second."""

    def during(self, begins: float, ends: float) -> list[Asked]:
        """The questions asked between two moments."""
        return [one for one in self.asked if begins <= one.at < ends]

    @property
    def recovered_after(self) -> float:
        """Seconds from the fault's end to the last question the first provider did not answer."""
        end = BEFORE_SECONDS + FAULT_SECONDS
        late = [one.at for one in self.during(end, end + AFTER_SECONDS) if one.by != FIRST]
        return max(late, default=end) - end
