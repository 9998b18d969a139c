"""The circuit breaker under any sequence of calls, waits and overrides, beside a naive model of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from services.gateway.breakers.breaker import Breaker, Permit
from services.gateway.breakers.model import (
    IGNORED,
    SUCCESS,
    BreakerPolicy,
    Outcome,
    OutcomeKind,
    Override,
    Refused,
    State,
)

POLICY = BreakerPolicy()
BUCKET = POLICY.window_seconds / POLICY.window_buckets
FAILURE = Outcome(OutcomeKind.FAILURE, reasons.ERROR_REASON_PROVIDER_INTERNAL)
# Rounding of sums of floats, far below any time that matters.
EPSILON = 1e-6


@dataclass
class Held:
    permit: Permit
    epoch: int
    is_probe: bool
    expires_at: float


class BreakerMachine(RuleBasedStateMachine):
    """Keeps a log of what counted since the breaker last closed, and judges from it afresh each time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.jitter = 0.5
        self.changes: list[State] = []
        self.breaker = Breaker(
            POLICY,
            monotonic=self.clock.monotonic,
            random=lambda: self.jitter,
            on_change=lambda _old, new, _reason: self.changes.append(new),
        )
        self.held: list[Held] = []
        self.epoch = 0  # bumped at every change of state the model predicts
        self.state = State.CLOSED
        self.override = Override.AUTOMATIC
        self.override_until = math.inf
        self.log: list[tuple[float, bool]] = []
        self.row = 0
        self.probes_passed = 0
        self.openings = 0
        self.closed_at = 0.0
        self.open_until = -math.inf
        self.parked_until = -math.inf

    @initialize(start=st.floats(0, 1000))
    def begin(self, start: float) -> None:
        self.clock.advance(start)

    # --- what can happen ---

    @rule(seconds=st.one_of(st.floats(0, 8), st.floats(0, 120)))
    def wait(self, seconds: float) -> None:
        self._advance(seconds)

    @rule()
    def wait_until_it_takes_calls(self) -> None:
        self._advance((self.breaker.snapshot().retry_after_seconds or 0) + EPSILON)

    @rule(outcomes=st.lists(st.sampled_from([SUCCESS, FAILURE, FAILURE, IGNORED]), min_size=1, max_size=12))
    def calls_one_after_another(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if not self._may_pass(self.clock.monotonic()):
                return
            self.acquire(60)
            self._report(self.held.pop(), outcome)

    @rule(jitter=st.floats(0, 1, exclude_max=True))
    def jitter_changes(self, jitter: float) -> None:
        self.jitter = jitter

    @rule(lease=st.floats(0.1, 60))
    def acquire(self, lease: float) -> None:
        now = self.clock.monotonic()
        expected = self._may_pass(now)
        assert self.breaker.snapshot().available == expected
        if not expected:
            with pytest.raises(Refused) as refusal:
                self.breaker.acquire(lease)
            wait, forced = refusal.value.retry_after_seconds, self.override is Override.FORCE_OPEN
            assert refusal.value.forced == forced
            endless = forced and math.isinf(self.override_until)
            assert wait is None if endless else wait is not None and wait > 0
            return
        permit = self.breaker.acquire(lease)
        if self.override is Override.AUTOMATIC and self.state is State.OPEN:
            self._enter(State.HALF_OPEN)
        is_probe = self.state is State.HALF_OPEN
        if is_probe:
            for other in self.held:
                other.is_probe = False
        self.held.append(Held(permit, self.epoch, is_probe, now + lease))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), kind=st.sampled_from(list(OutcomeKind)))
    def report(self, data: st.DataObject, kind: OutcomeKind) -> None:
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        seconds = data.draw(st.none() | st.floats(0, 100)) if kind is OutcomeKind.PARK else None
        self._report(held, Outcome(kind, reasons.ERROR_REASON_PROVIDER_INTERNAL, seconds))

    def _report(self, held: Held, outcome: Outcome) -> None:
        before, now = self.breaker.snapshot(), self.clock.monotonic()
        with held.permit as permit:
            permit.report(outcome)
        stale = held.epoch != self.epoch or (self.state is State.HALF_OPEN and not held.is_probe)
        if stale or outcome.kind is OutcomeKind.IGNORED:
            was_probe = not stale and held.is_probe
            assert was_probe or self.breaker.snapshot() == before
        elif outcome.kind is not OutcomeKind.PARK:
            self._count(now, failed=outcome.kind is OutcomeKind.FAILURE)
        elif self.override is Override.AUTOMATIC:
            wait = self.breaker.snapshot().retry_after_seconds or 0
            assert wait <= POLICY.park_max_seconds + EPSILON
            assert now + wait >= self.parked_until - EPSILON, "parking is never shortened"
            if outcome.park_seconds is not None:
                assert wait >= min(outcome.park_seconds, POLICY.park_max_seconds) - EPSILON
            self.parked_until = now + wait

    @rule(override=st.sampled_from(Override), seconds=st.just(math.inf) | st.floats(0.1, 200))
    def operator(self, override: Override, seconds: float) -> None:
        self.breaker.override(override, seconds)
        self._overridden(override, self.clock.monotonic() + seconds)

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.override is not Override.AUTOMATIC and self.clock.monotonic() >= self.override_until:
            self.breaker.snapshot()  # it notices when it is next looked at
            self._overridden(Override.AUTOMATIC, math.inf)

    def _overridden(self, override: Override, until: float) -> None:
        self.override, self.override_until = override, until
        self._enter(State.CLOSED)
        self.open_until = self.parked_until = -math.inf
        self.openings = 0

    @rule()
    def seen_to_work_by_other_means(self) -> None:
        self.breaker.recover()
        if self.state is State.OPEN:
            self.open_until = min(self.open_until, self.clock.monotonic())

    # --- the model ---

    def _enter(self, state: State) -> None:
        self.state = state
        self.epoch += 1
        self.probes_passed = 0
        if state is State.CLOSED:
            self.log, self.row = [], 0
            self.closed_at = self.clock.monotonic()

    def _may_pass(self, now: float) -> bool:
        if self.override is not Override.AUTOMATIC:
            return self.override is Override.FORCE_CLOSED
        probe_out = any(h.is_probe and h.epoch == self.epoch and h.expires_at > now for h in self.held)
        opened = self.state is State.OPEN and now < self.open_until
        return not opened and now >= self.parked_until and not probe_out

    def _count(self, now: float, *, failed: bool) -> None:
        self.log.append((now, failed))
        self.row = self.row + 1 if failed else 0
        if self.override is not Override.AUTOMATIC:
            return
        if self.state is State.HALF_OPEN:
            self.probes_passed += not failed
            if failed:
                self._opened(now)
            elif self.probes_passed == POLICY.probe_successes:
                self._enter(State.CLOSED)
            return
        bucket = int(now // BUCKET)
        recent = [f for at, f in self.log if int(at // BUCKET) > bucket - POLICY.window_buckets]
        bad_rate = len(recent) >= POLICY.minimum_calls and sum(recent) * 2 >= len(recent)
        if self.row >= POLICY.consecutive_failures or bad_rate:
            self._opened(now)

    def _opened(self, now: float) -> None:
        if self.state is State.CLOSED and now - self.closed_at >= POLICY.reset_after_seconds:
            self.openings = 0
        doubled = min(POLICY.open_seconds * 2.0**self.openings, POLICY.open_max_seconds)
        expected = doubled * (1 + POLICY.jitter * (2 * self.jitter - 1))
        self.openings += 1
        self._enter(State.OPEN)
        snapshot = self.breaker.snapshot()
        assert snapshot.state is State.OPEN
        wait = snapshot.retry_after_seconds or 0
        until = now + wait
        if until > self.parked_until + EPSILON:  # parking may hold it longer still
            assert wait == pytest.approx(expected, abs=EPSILON)
        self.open_until = until

    # --- what always holds ---

    @invariant()
    def the_state_is_the_model_s(self) -> None:
        snapshot, now = self.breaker.snapshot(), self.clock.monotonic()
        assert snapshot.forced == (self.override is not Override.AUTOMATIC)
        if self.override is Override.FORCE_OPEN:
            assert snapshot.state is State.OPEN
        elif self.override is Override.FORCE_CLOSED:
            assert snapshot.state is State.CLOSED
        elif self.state is State.OPEN and now < self.open_until - EPSILON:
            assert snapshot.state in (State.OPEN, State.PARKED)
        elif now < self.parked_until - EPSILON:
            assert snapshot.state is State.PARKED
        elif now > max(self.open_until, self.parked_until) + EPSILON:
            assert snapshot.state is (State.HALF_OPEN if self.state is State.OPEN else self.state)

    @invariant()
    def never_more_than_one_probe(self) -> None:
        now = self.clock.monotonic()
        assert sum(h.is_probe and h.epoch == self.epoch and h.expires_at > now for h in self.held) <= 1

    @invariant()
    def counts_make_sense(self) -> None:
        snapshot = self.breaker.snapshot()
        assert 0 <= snapshot.failures <= snapshot.calls <= len(self.log)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
