"""A circuit breaker: a pure, synchronous state machine over an injected clock.

A call asks for a permit, and reports on it how the call went. The rules (RESILIENCE.md §1):

- CLOSED opens when the window holds enough calls and too many of them failed, or after several failures
  in a row (which catches a dead target at low traffic).
- OPEN lasts min(open · 2^k, maximum) ± jitter, k counting consecutive openings.
- HALF_OPEN lets one probe at a time pass; enough successes close it, one failure opens it again. A probe's
  permit expires with its lease: one that is lost, or waits for its caller, does not block the target.
- A rate limit *parks* the target: calls are refused for a while without its being called broken. Parking
  lies across the states: when it is over, the state is what it was.
- Results of calls begun before the last change of state are dropped: they speak of another time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from docuquery.common.v1 import error_reason_pb2 as reasons
from services.gateway.breakers.model import (
    IGNORED,
    SUCCESS,
    BreakerPolicy,
    Outcome,
    OutcomeKind,
    Override,
    Refused,
    Snapshot,
    State,
)
from services.gateway.breakers.window import SlidingWindow

if TYPE_CHECKING:
    from libs.errors import Reason

# Doubling stops mattering long before: 5 s · 2^16 is beyond any sensible maximum.
_MAX_DOUBLINGS = 16
# While a probe is out nobody knows when it ends; most end within a second.
_PROBE_WAIT_SECONDS = 1.0


class Permit:
    """Leave for one call. Use it as a context manager; leaving it without a report counts as IGNORED."""

    __slots__ = ("_breaker", "_settled", "expires_at", "generation", "parkings")

    def __init__(self, breaker: Breaker, generation: int, parkings: int, expires_at: float) -> None:
        self._breaker = breaker
        self._settled = False
        self.generation = generation
        self.parkings = parkings
        self.expires_at = expires_at

    def report(self, outcome: Outcome) -> None:
        """Says how the call went. Only the first report counts."""
        if not self._settled:
            self._settled = True
            self._breaker._settle(self, outcome)

    def accepted(self) -> None:
        """Says that the target has taken the call: word enough of a probe, which others wait for.

        Of any other call its end tells more.
        """
        if self._breaker.is_probe(self):
            self.report(SUCCESS)

    def renew(self, lease_seconds: float) -> None:
        """Says how much longer the call may take at most, from now."""
        self.expires_at = self._breaker._monotonic() + lease_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.report(IGNORED)


class Breaker:
    """The state machine. `monotonic` gives seconds, `random` a number in [0, 1).

    `on_change(old, new, reason)` is told of every change between CLOSED, OPEN and HALF_OPEN, and of each
    parking (as PARKED); it must not call back.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        monotonic: Callable[[], float],
        random: Callable[[], float],
        on_change: Callable[[State, State, Reason], None] | None = None,
    ) -> None:
        self._policy = policy
        self._monotonic = monotonic
        self._random = random
        self._on_change = on_change
        self._window = SlidingWindow(policy.window_seconds, policy.window_buckets)
        self._override = Override.AUTOMATIC
        self._override_until = math.inf
        self._generation = 0
        self._last_reason: Reason = reasons.ERROR_REASON_UNSPECIFIED
        self._begin_closed()

    def _begin_closed(self) -> None:
        self._state = State.CLOSED
        self._window.clear()
        self._failures_in_row = 0
        self._openings = 0
        self._closed_at = self._monotonic()
        self._open_until = -math.inf
        self._parked_until = -math.inf
        self._parkings = 0
        self._parkings_in_row = 0
        self._probe: Permit | None = None
        self._probes_passed = 0

    def acquire(self, lease_seconds: float = math.inf) -> Permit:
        """Leave for one call that takes at most `lease_seconds`. Raises Refused."""
        now = self._now()
        wait = self._wait(now)
        if wait > 0:
            forced = self._override is Override.FORCE_OPEN
            raise Refused(_if_finite(wait), forced=forced)
        if self._override is Override.AUTOMATIC and self._state is State.OPEN:
            self._enter(State.HALF_OPEN, self._last_reason)
        permit = Permit(self, self._generation, self._parkings, now + lease_seconds)
        if self._state is State.HALF_OPEN:
            self._probe = permit
        return permit

    def is_probe(self, permit: Permit) -> bool:
        """Whether all other calls wait for this one."""
        return permit is self._probe

    def recover(self) -> None:
        """The target has been seen to work again by other means: an opening ends now, and probes decide.

        Everything else stays: how often it opened, and any parking.
        """
        if self._state is State.OPEN:
            self._open_until = min(self._open_until, self._monotonic())

    def override(self, override: Override, seconds: float = math.inf) -> None:
        """Forces the state for so long, or gives the breaker back to its own judgement, starting closed."""
        self._override = override
        self._override_until = self._monotonic() + seconds
        self._generation += 1
        self._begin_closed()

    def snapshot(self) -> Snapshot:
        """The breaker as it stands; changes nothing but what time has changed."""
        now = self._now()
        wait = self._wait(now)
        calls, failures = self._window.totals(now)
        forced = self._override is not Override.AUTOMATIC
        return Snapshot(
            state=self._shown_state(now),
            calls=calls,
            failures=failures,
            retry_after_seconds=_if_finite(wait) if wait > 0 else None,
            last_reason=self._last_reason,
            forced=forced,
            available=wait <= 0,
            forced_for_seconds=_if_finite(self._override_until - now) if forced else None,
        )

    def _now(self) -> float:
        """The time. An override that has run out by then is over."""
        now = self._monotonic()
        if self._override is not Override.AUTOMATIC and now >= self._override_until:
            self.override(Override.AUTOMATIC)
        return now

    def _shown_state(self, now: float) -> State:
        if self._override is not Override.AUTOMATIC:
            return State.OPEN if self._override is Override.FORCE_OPEN else State.CLOSED
        if self._state is State.OPEN and now < self._open_until:
            return State.OPEN
        if now < self._parked_until:
            return State.PARKED
        return State.HALF_OPEN if self._state is State.OPEN else self._state

    def _wait(self, now: float) -> float:
        """Seconds until a call may pass; 0 or less when it may, infinite when nobody knows."""
        if self._override is Override.FORCE_OPEN:
            return self._override_until - now
        if self._override is Override.FORCE_CLOSED:
            return 0.0
        wait = self._parked_until - now
        if self._state is State.OPEN:
            wait = max(wait, self._open_until - now)
        if self._probe is not None:
            wait = max(wait, min(self._probe.expires_at - now, _PROBE_WAIT_SECONDS))
        return wait

    def _settle(self, permit: Permit, outcome: Outcome) -> None:
        now = self._now()
        if permit.generation != self._generation:
            return
        if self._state is State.HALF_OPEN:
            if permit is not self._probe:
                return  # its lease ran out and another probe took its place
            self._probe = None
        if outcome.kind is OutcomeKind.SUCCESS:
            self._succeeded(permit, now)
        elif outcome.kind is OutcomeKind.FAILURE:
            self._failed(outcome.reason, now)
        elif outcome.kind is OutcomeKind.PARK:
            self._park(permit, outcome, now)

    def _succeeded(self, permit: Permit, now: float) -> None:
        self._window.add(now, failed=False)
        self._failures_in_row = 0
        if permit.parkings == self._parkings:
            self._parkings_in_row = 0
        if self._state is State.HALF_OPEN:
            self._probes_passed += 1
            if self._probes_passed >= self._policy.probe_successes:
                self._closed_at = now
                self._enter(State.CLOSED, reasons.ERROR_REASON_UNSPECIFIED)
        elif self._is_too_bad(now):
            # The tenth call may be the one that makes the other nine count.
            self._open(self._last_reason, now)

    def _failed(self, reason: Reason, now: float) -> None:
        self._last_reason = reason
        self._window.add(now, failed=True)
        self._failures_in_row += 1
        if self._state is State.HALF_OPEN or self._is_too_bad(now):
            self._open(reason, now)

    def _is_too_bad(self, now: float) -> bool:
        if self._override is not Override.AUTOMATIC:
            return False
        if self._failures_in_row >= self._policy.consecutive_failures:
            return True
        calls, failures = self._window.totals(now)
        return calls >= self._policy.minimum_calls and failures >= self._policy.failure_rate * calls

    def _open(self, reason: Reason, now: float) -> None:
        policy = self._policy
        if self._state is State.CLOSED and now - self._closed_at >= policy.reset_after_seconds:
            self._openings = 0
        doubled = policy.open_seconds * 2 ** min(self._openings, _MAX_DOUBLINGS)
        swing = 1 + policy.jitter * (2 * self._random() - 1)
        self._open_until = max(self._open_until, now + min(doubled, policy.open_max_seconds) * swing)
        self._openings += 1
        self._enter(State.OPEN, reason)

    def _park(self, permit: Permit, outcome: Outcome, now: float) -> None:
        if self._override is not Override.AUTOMATIC:
            return
        policy = self._policy
        self._last_reason = outcome.reason
        # Calls that were under way when the target was parked report the same limit once more.
        first_to_say = permit.parkings == self._parkings
        seconds = outcome.park_seconds
        if seconds is None:
            if not first_to_say:
                return
            seconds = policy.park_seconds * 2 ** min(self._parkings_in_row, _MAX_DOUBLINGS)
            self._parkings_in_row += 1
        self._parked_until = max(self._parked_until, now + min(seconds, policy.park_max_seconds))
        if first_to_say:
            self._parkings += 1
            self._tell(self._state, State.PARKED, outcome.reason)

    def _enter(self, state: State, reason: Reason) -> None:
        old, self._state = self._state, state
        self._generation += 1
        self._probe = None
        self._probes_passed = 0
        if state is State.CLOSED:
            self._window.clear()
            self._failures_in_row = 0
        self._tell(old, state, reason)

    def _tell(self, old: State, new: State, reason: Reason) -> None:
        if self._on_change is not None:
            self._on_change(old, new, reason)


def _if_finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
