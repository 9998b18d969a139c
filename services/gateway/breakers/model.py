"""The words of a circuit breaker: its states, its numbers, and how a call can have gone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from docuquery.common.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from libs.errors import Reason


class State(Enum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    PARKED = "parked"


class Override(Enum):
    """What an operator wants of a breaker."""

    AUTOMATIC = "automatic"
    FORCE_OPEN = "force_open"
    FORCE_CLOSED = "force_closed"


class OutcomeKind(Enum):
    """How a call went, as far as its target is to blame or to praise."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call went."""

    kind: OutcomeKind
    reason: Reason = reasons.ERROR_REASON_UNSPECIFIED
    """Why, for FAILURE and PARK."""
    park_seconds: float | None = None
    """For PARK: how long; None when the target did not say."""


SUCCESS = Outcome(OutcomeKind.SUCCESS)
IGNORED = Outcome(OutcomeKind.IGNORED)
"""Says nothing of the target: the caller left, or the fault was the caller's."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The numbers of a breaker. RESILIENCE.md §1 gives the defaults; they are judgement."""

    window_seconds: float = 30.0
    window_buckets: int = 10
    minimum_calls: int = 10
    """Calls the window must hold before their failure rate means anything."""
    failure_rate: float = 0.5
    """Share of failures in the window that opens it, 0 to 1."""
    consecutive_failures: int = 5
    """Failures in a row that open it, however few calls there were."""
    open_seconds: float = 5.0
    open_max_seconds: float = 60.0
    jitter: float = 0.2
    """The opening varies by this share to both sides, so that replicas do not probe in step."""
    reset_after_seconds: float = 300.0
    """Closed for so long, the doubling begins anew."""
    probe_successes: int = 2
    """Probes that must succeed one after another before it closes."""
    park_seconds: float = 1.0
    """First parking when the target names no time; doubles each time."""
    park_max_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A breaker as it stands."""

    state: State
    calls: int
    """Calls in the window."""
    failures: int
    """Failures among them."""
    retry_after_seconds: float | None
    """Seconds until it lets a call pass; None when it does, or when nobody can know."""
    last_reason: Reason
    forced: bool
    available: bool
    """Whether it would let a call pass now."""
    forced_for_seconds: float | None = None
    """Seconds until the forcing ends by itself; None when it does not, or there is none."""


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """The breaker lets no call pass now."""

    def __init__(self, retry_after_seconds: float | None, *, forced: bool = False) -> None:
        super().__init__(f"refused for {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds
        """None when an operator holds it open, nobody knows how long."""
        self.forced = forced
        """Whether an operator holds it open, and no failure does."""
