"""The error when nobody answers."""

from __future__ import annotations

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.rpc.status import MAX_STATUS_BYTES, to_status
from services.gateway.breakers.model import Snapshot, State
from services.gateway.fallback.exhausted import all_failed
from services.gateway.model import Attempt


def breaker(wait: float | None, available: bool = False) -> Snapshot:
    return Snapshot(State.OPEN, 0, 0, wait, reasons.ERROR_REASON_PROVIDER_TIMEOUT, False, available)


def test_a_hundred_providers_with_long_names_stay_within_a_status() -> None:
    attempts = [
        Attempt(f"{'provider' * 10}-{number}", "m", reasons.ERROR_REASON_PROVIDER_TIMEOUT)
        for number in range(100)
    ]
    error = all_failed(attempts, [])
    assert to_status(error, "r" * 128).ByteSize() < MAX_STATUS_BYTES
    listed = error.metadata["attempts"].split(", ")
    assert listed
    assert all(entry.endswith("=PROVIDER_TIMEOUT") for entry in listed), "no entry is cut"


def test_the_wait_is_that_of_the_first_to_return() -> None:
    error = all_failed([], [breaker(40), breaker(7.2), breaker(None)])
    assert error.retry_after_seconds == 7.2
    assert error.message.endswith("Try again in 8 s.")


def test_where_operators_hold_all_of_them_open_no_time_is_made_up() -> None:
    error = all_failed([], [breaker(None), breaker(None)])
    assert error.retry_after_seconds is None
    assert error.message.endswith("Try again later.")


def test_it_is_short_when_somebody_takes_calls_already() -> None:
    assert all_failed([], [breaker(40), breaker(None, available=True)]).retry_after_seconds == 1


def test_nobody_at_all_is_said_in_words() -> None:
    error = all_failed([], [])
    assert "none is configured" in error.message
    assert (error.metadata, error.retry_after_seconds) == ({"attempts": ""}, None)
