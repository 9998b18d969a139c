"""The registry of breakers."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.gateway.breakers.model import BreakerPolicy, Outcome, OutcomeKind, Override, Refused, State
from services.gateway.breakers.registry import Breakers, circuit_open, provider_target, service_target

FAILURE = Outcome(OutcomeKind.FAILURE, reasons.ERROR_REASON_PROVIDER_TIMEOUT)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breakers(clock: ManualClock) -> Breakers:
    return Breakers(BreakerPolicy(), monotonic=clock.monotonic, random=lambda: 0.5)


def fail(breakers: Breakers, target: str, times: int = 5) -> None:
    for _ in range(times):
        breakers.get(target).acquire().report(FAILURE)


def test_targets_have_the_names_of_the_contract() -> None:
    assert provider_target("openai", "gpt-5") == "provider:openai/gpt-5"
    assert service_target("answer") == "service:answer"


def test_each_target_has_its_own_breaker(breakers: Breakers) -> None:
    fail(breakers, "service:answer")
    assert breakers.get("service:answer").snapshot().state is State.OPEN
    assert breakers.get("service:ingest").snapshot().state is State.CLOSED


def test_services_are_listed_before_providers(breakers: Breakers) -> None:
    for target in ("provider:b/m", "service:z", "provider:a/m", "service:a"):
        breakers.get(target)
    assert list(breakers.snapshots()) == ["service:a", "service:z", "provider:a/m", "provider:b/m"]


def test_providers_come_and_go_with_the_list_and_keep_their_state(breakers: Breakers) -> None:
    breakers.get("service:answer")
    breakers.keep_providers(["provider:a/m", "provider:b/m"])
    fail(breakers, "provider:a/m")
    breakers.keep_providers(["provider:a/m", "provider:c/m"])
    assert list(breakers.snapshots()) == ["service:answer", "provider:a/m", "provider:c/m"]
    assert breakers.get("provider:a/m").snapshot().state is State.OPEN


def test_an_operator_s_word_outlives_the_provider_s_absence_and_can_be_taken_back_meanwhile(
    breakers: Breakers, clock: ManualClock
) -> None:
    breakers.keep_providers(["provider:a/m", "provider:b/m", "provider:c/m"])
    breakers.override("provider:a/m", Override.FORCE_OPEN)
    breakers.override("provider:b/m", Override.FORCE_CLOSED, seconds=60)
    breakers.override("provider:c/m", Override.FORCE_OPEN)
    breakers.keep_providers([])
    assert list(breakers.snapshots()) == ["provider:a/m", "provider:b/m", "provider:c/m"]
    breakers.override("provider:c/m", Override.AUTOMATIC)
    clock.advance(60)
    breakers.keep_providers([])
    assert list(breakers.snapshots()) == ["provider:a/m"], "the others are nobody's word any more"
    breakers.keep_providers(["provider:a/m"])
    with pytest.raises(Refused):
        breakers.get("provider:a/m").acquire()


def test_an_operator_overrides_a_known_target_and_the_log_says_who_and_what_was_before(
    breakers: Breakers,
) -> None:
    breakers.get("service:answer")
    with capture_logs() as logs:
        snapshot = breakers.override("service:answer", Override.FORCE_OPEN, seconds=60, by="ops")
    assert (snapshot.state, snapshot.forced) == (State.OPEN, True)
    assert logs == [
        {
            "event": "breaker_overridden",
            "log_level": "warning",
            "target": "service:answer",
            "override": "force_open",
            "seconds": 60,
            "by": "ops",
            "before": "closed",
            "forced_before": False,
        }
    ]
    assert snapshot.forced_for_seconds == 60


def test_an_unknown_target_is_refused_with_what_there_is(breakers: Breakers) -> None:
    breakers.get("service:answer")
    with pytest.raises(DocuQueryError) as error:
        breakers.override("service:nobody", Override.FORCE_OPEN)
    assert error.value.reason_name == "INVALID_REQUEST"
    assert "service:answer" in error.value.violations[0].description


def test_every_change_is_logged_with_its_cause(breakers: Breakers) -> None:
    with capture_logs() as logs:
        fail(breakers, "provider:a/m")
    assert [(line["event"], line["old"], line["new"], line["reason"]) for line in logs] == [
        ("breaker_changed", "closed", "open", "PROVIDER_TIMEOUT")
    ]


def test_a_refusal_says_when_to_come_back_and_never_too_early() -> None:
    error = circuit_open("service:retrieval", Refused(3.4))
    assert (error.reason_name, error.metadata, error.retry_after_seconds) == (
        "CIRCUIT_OPEN",
        {"target": "service:retrieval"},
        3.4,
    )
    assert error.message.endswith("has failed repeatedly and rests a while. Try again in 4 s.")


def test_what_an_operator_keeps_out_has_not_failed() -> None:
    error = circuit_open("service:retrieval", Refused(None, forced=True))
    assert error.message == "service:retrieval is kept out of use by an operator. Try again later."
    assert error.retry_after_seconds is None
