"""The circuit breaker's rules, one by one. The state machine as a whole: test_breaker_machine.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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

TIMEOUT = reasons.ERROR_REASON_PROVIDER_TIMEOUT
LIMITED = reasons.ERROR_REASON_PROVIDER_RATE_LIMITED
FAILURE = Outcome(OutcomeKind.FAILURE, TIMEOUT)


def park(seconds: float | None) -> Outcome:
    return Outcome(OutcomeKind.PARK, LIMITED, seconds)


class Bench:
    """A breaker with a clock in hand and jitter that can be chosen (0.5: none)."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.clock = ManualClock()
        self.jitter = 0.5
        self.changes: list[tuple[State, State]] = []
        self.breaker = Breaker(
            policy or BreakerPolicy(),
            monotonic=self.clock.monotonic,
            random=lambda: self.jitter,
            on_change=lambda old, new, _reason: self.changes.append((old, new)),
        )

    def call(self, outcome: Outcome, lease: float = 60) -> None:
        with self.breaker.acquire(lease) as permit:
            permit.report(outcome)

    def calls(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.call(outcome)

    @property
    def state(self) -> State:
        return self.breaker.snapshot().state

    def refused_for(self) -> float | None:
        with pytest.raises(Refused) as refusal:
            self.breaker.acquire()
        return refusal.value.retry_after_seconds

    def open(self) -> None:
        self.calls(*[FAILURE] * 5)
        assert self.state is State.OPEN

    def close_again(self) -> None:
        self.clock.advance(self.breaker.snapshot().retry_after_seconds or 0)
        self.calls(SUCCESS, SUCCESS)
        assert self.state is State.CLOSED


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_five_failures_in_a_row_open_it(bench: Bench) -> None:
    bench.calls(*[FAILURE] * 4)
    assert bench.state is State.CLOSED
    bench.call(FAILURE)
    assert bench.state is State.OPEN
    assert bench.changes == [(State.CLOSED, State.OPEN)]
    assert bench.breaker.snapshot().last_reason == TIMEOUT


def test_a_success_breaks_the_row(bench: Bench) -> None:
    bench.calls(FAILURE, FAILURE, SUCCESS, FAILURE, FAILURE, SUCCESS, FAILURE, FAILURE)
    assert bench.state is State.CLOSED


def test_half_of_ten_calls_failing_opens_it(bench: Bench) -> None:
    bench.calls(*[FAILURE, SUCCESS] * 4, FAILURE)
    assert bench.state is State.CLOSED  # nine calls say nothing yet
    bench.call(SUCCESS)
    assert bench.state is State.OPEN


def test_fewer_than_half_of_ten_failing_does_not(bench: Bench) -> None:
    bench.calls(*[SUCCESS, FAILURE, SUCCESS, FAILURE, SUCCESS] * 4)
    assert bench.state is State.CLOSED


def test_failures_older_than_the_window_do_not_count(bench: Bench) -> None:
    for _ in range(3):
        bench.calls(FAILURE, FAILURE, SUCCESS, SUCCESS)
        bench.clock.advance(31)
    assert bench.state is State.CLOSED


def test_ignored_calls_count_for_nothing(bench: Bench) -> None:
    bench.calls(*[FAILURE] * 4, *[IGNORED] * 20)
    with bench.breaker.acquire():
        pass  # left without a report, as a cancelled call is
    assert bench.breaker.snapshot().calls == 4
    bench.call(FAILURE)
    assert bench.state is State.OPEN


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_it_stays_open_for_five_seconds_give_or_take_a_fifth(
    bench: Bench, jitter: float, seconds: float
) -> None:
    bench.jitter = jitter
    bench.open()
    assert bench.refused_for() == pytest.approx(seconds)
    bench.clock.advance(seconds - 0.001)
    assert bench.state is State.OPEN
    bench.clock.advance(0.001)
    assert bench.state is State.HALF_OPEN


def test_each_opening_in_a_row_doubles_the_time_up_to_a_minute(bench: Bench) -> None:
    bench.open()
    times = []
    for _ in range(6):
        wait = bench.refused_for()
        assert wait is not None
        times.append(wait)
        bench.clock.advance(wait)
        bench.call(FAILURE)
    assert times == pytest.approx([5, 10, 20, 40, 60, 60])


def test_a_flapping_target_is_not_forgiven_by_closing_for_a_moment(bench: Bench) -> None:
    bench.open()
    bench.close_again()
    bench.open()
    assert bench.refused_for() == pytest.approx(10)


def test_five_minutes_closed_forgive(bench: Bench) -> None:
    bench.open()
    bench.close_again()
    bench.clock.advance(300)
    bench.open()
    assert bench.refused_for() == pytest.approx(5)


def test_one_probe_at_a_time(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    probe = bench.breaker.acquire(60)
    assert bench.refused_for() == pytest.approx(1)
    probe.report(SUCCESS)
    bench.breaker.acquire(60)


def test_two_successful_probes_close_it_and_what_was_before_is_forgotten(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    bench.call(SUCCESS)
    assert bench.state is State.HALF_OPEN
    bench.call(SUCCESS)
    assert bench.state is State.CLOSED
    assert bench.breaker.snapshot().calls == 0
    bench.calls(*[FAILURE] * 4)
    assert bench.state is State.CLOSED


def test_a_failed_probe_opens_it_again_although_one_before_it_succeeded(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    bench.calls(SUCCESS, FAILURE)
    assert bench.refused_for() == pytest.approx(10)
    bench.clock.advance(10)
    bench.call(SUCCESS)
    assert bench.state is State.HALF_OPEN


def test_a_cancelled_probe_gives_its_permit_back(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    with pytest.raises(KeyboardInterrupt), bench.breaker.acquire(60):
        raise KeyboardInterrupt
    assert bench.state is State.HALF_OPEN
    bench.calls(SUCCESS, SUCCESS)
    assert bench.state is State.CLOSED


def test_that_the_target_took_the_call_is_enough_of_a_probe_and_nothing_of_others(bench: Bench) -> None:
    with bench.breaker.acquire() as permit:
        permit.accepted()
        assert bench.breaker.snapshot().calls == 0
        permit.report(FAILURE)
    assert bench.breaker.snapshot().failures == 1
    bench.calls(*[FAILURE] * 4)
    bench.clock.advance(5)
    for _ in range(2):
        probe = bench.breaker.acquire()
        probe.accepted()
        probe.report(FAILURE)
    assert bench.state is State.CLOSED


def test_a_probe_that_waits_for_somebody_else_gives_its_turn_away_and_may_take_it_back(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    probe = bench.breaker.acquire(60)
    probe.renew(1)
    assert bench.refused_for() == pytest.approx(1)
    bench.clock.advance(1)
    assert bench.breaker.snapshot().available
    probe.renew(50)
    assert bench.refused_for() is not None, "nobody else has taken it meanwhile"
    probe.report(FAILURE)
    assert bench.state is State.OPEN


def test_a_lost_probe_blocks_no_longer_than_its_lease_and_its_late_word_is_dropped(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    lost = bench.breaker.acquire(3)
    bench.clock.advance(2.5)
    assert bench.refused_for() == pytest.approx(0.5)
    bench.clock.advance(0.5)
    second = bench.breaker.acquire(3)
    lost.report(FAILURE)
    assert bench.state is State.HALF_OPEN
    assert bench.refused_for() is not None  # the second probe is still out
    second.report(SUCCESS)
    bench.call(SUCCESS)
    assert bench.state is State.CLOSED


@pytest.mark.parametrize("late", [SUCCESS, FAILURE, park(30)])
def test_results_of_calls_begun_before_a_change_of_state_are_dropped(bench: Bench, late: Outcome) -> None:
    old = bench.breaker.acquire()
    bench.open()
    before = bench.breaker.snapshot()
    old.report(late)
    assert bench.breaker.snapshot() == before


def test_late_failures_do_not_lengthen_an_opening(bench: Bench) -> None:
    permits = [bench.breaker.acquire() for _ in range(20)]
    for permit in permits:
        permit.report(FAILURE)
    assert bench.refused_for() == pytest.approx(5)


def test_only_the_first_report_counts(bench: Bench) -> None:
    with bench.breaker.acquire() as permit:
        permit.report(FAILURE)
        permit.report(SUCCESS)
    assert bench.breaker.snapshot().failures == 1


def test_a_rate_limit_parks_for_as_long_as_the_target_says(bench: Bench) -> None:
    bench.call(park(7))
    assert bench.state is State.PARKED
    assert bench.refused_for() == pytest.approx(7)
    assert bench.breaker.snapshot().last_reason == LIMITED
    bench.clock.advance(7)
    assert bench.state is State.CLOSED
    assert bench.breaker.snapshot().calls == 0, "a rate limit is neither a failure nor a success"


def test_parking_is_at_most_a_minute(bench: Bench) -> None:
    bench.call(park(3600))
    assert bench.refused_for() == pytest.approx(60)


def test_without_a_time_parking_doubles_from_a_second_until_a_success(bench: Bench) -> None:
    waits = []
    for _ in range(3):
        bench.call(park(None))
        wait = bench.refused_for()
        assert wait is not None
        waits.append(wait)
        bench.clock.advance(wait)
    assert waits == pytest.approx([1, 2, 4])
    bench.call(SUCCESS)
    bench.call(park(None))
    assert bench.refused_for() == pytest.approx(1)


def test_a_burst_of_rate_limits_counts_as_one(bench: Bench) -> None:
    permits = [bench.breaker.acquire() for _ in range(8)]
    for permit in permits:
        permit.report(park(None))
    assert bench.refused_for() == pytest.approx(1)
    assert bench.changes == [(State.CLOSED, State.PARKED)]


def test_parking_is_never_shortened(bench: Bench) -> None:
    first, second = bench.breaker.acquire(), bench.breaker.acquire()
    first.report(park(20))
    second.report(park(2))
    assert bench.refused_for() == pytest.approx(20)


def test_a_success_from_before_the_parking_does_not_end_it(bench: Bench) -> None:
    early = bench.breaker.acquire()
    bench.call(park(None))
    early.report(SUCCESS)
    assert bench.state is State.PARKED
    bench.clock.advance(1)
    bench.call(park(None))
    assert bench.refused_for() == pytest.approx(2)


def test_a_rate_limited_probe_parks_and_stays_half_open(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    bench.call(park(3))
    assert bench.state is State.PARKED
    bench.clock.advance(3)
    assert bench.state is State.HALF_OPEN
    bench.calls(SUCCESS, SUCCESS)
    assert bench.state is State.CLOSED


def test_a_target_seen_to_work_by_other_means_is_probed_at_once(bench: Bench) -> None:
    bench.open()
    bench.breaker.recover()
    assert bench.state is State.HALF_OPEN
    bench.call(FAILURE)
    assert bench.refused_for() == pytest.approx(10), "how often it opened is not forgotten"
    bench.breaker.recover()
    bench.calls(SUCCESS, SUCCESS)
    assert bench.state is State.CLOSED


def test_such_news_changes_nothing_else(bench: Bench) -> None:
    bench.calls(*[FAILURE] * 4)
    bench.breaker.recover()
    bench.call(park(20))
    bench.breaker.recover()
    assert bench.refused_for() == pytest.approx(20)
    bench.breaker.override(Override.FORCE_OPEN)
    bench.breaker.recover()
    assert bench.state is State.OPEN


def test_forced_open_refuses_until_told_otherwise(bench: Bench) -> None:
    bench.breaker.override(Override.FORCE_OPEN)
    bench.clock.advance(10_000)
    assert bench.refused_for() is None
    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.forced, snapshot.available) == (State.OPEN, True, False)


def test_forced_closed_lets_everything_pass_and_still_counts(bench: Bench) -> None:
    bench.breaker.override(Override.FORCE_CLOSED)
    bench.calls(*[FAILURE] * 30, park(60))
    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.forced, snapshot.available) == (State.CLOSED, True, True)
    assert snapshot.failures == 30


def test_forced_open_for_a_while_says_how_long_and_then_judges_again(bench: Bench) -> None:
    bench.breaker.override(Override.FORCE_OPEN, 60)
    bench.clock.advance(20)
    assert bench.refused_for() == pytest.approx(40)
    snapshot = bench.breaker.snapshot()
    assert (snapshot.retry_after_seconds, snapshot.forced_for_seconds) == (40, 40)
    bench.clock.advance(40)
    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.forced, snapshot.forced_for_seconds) == (State.CLOSED, False, None)
    bench.open()


def test_what_was_counted_while_forced_closed_is_forgotten_when_that_ends(bench: Bench) -> None:
    bench.breaker.override(Override.FORCE_CLOSED, 20)
    late = bench.breaker.acquire()
    bench.calls(*[FAILURE] * 30)
    bench.clock.advance(20)
    late.report(FAILURE)
    bench.calls(*[FAILURE] * 4)
    assert (bench.state, bench.breaker.snapshot().calls) == (State.CLOSED, 4)
    bench.call(FAILURE)
    assert bench.state is State.OPEN


def test_given_back_it_starts_closed_and_judges_again(bench: Bench) -> None:
    bench.open()
    bench.breaker.override(Override.FORCE_OPEN)
    late = _acquired_before(bench, lambda: bench.breaker.override(Override.AUTOMATIC))
    late.report(FAILURE)
    snapshot = bench.breaker.snapshot()
    assert (snapshot.state, snapshot.forced, snapshot.calls) == (State.CLOSED, False, 0)
    bench.open()
    assert bench.refused_for() == pytest.approx(5)


def _acquired_before(bench: Bench, change: Callable[[], None]) -> Permit:
    bench.breaker.override(Override.FORCE_CLOSED)
    permit = bench.breaker.acquire()
    change()
    return permit


def test_looking_changes_nothing(bench: Bench) -> None:
    bench.open()
    bench.clock.advance(5)
    assert bench.breaker.snapshot() == bench.breaker.snapshot()
    assert bench.breaker.snapshot().available
    assert bench.changes == [(State.CLOSED, State.OPEN)]
