"""What is tried again, and for how long."""

from __future__ import annotations

import random

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.ingest.store.retry import Retry


class Failing:
    """Raises `errors` one after the other, then answers."""

    def __init__(self, *errors: DocuQueryError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def failed(reason: reasons.ErrorReason.ValueType, retry_after: float | None = None) -> DocuQueryError:
    return DocuQueryError(reason, "x", retry_after_seconds=retry_after)


AWAY = reasons.ERROR_REASON_SERVICE_UNAVAILABLE


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def retry(clock: ManualClock) -> Retry:
    return Retry(budget_seconds=10, clock=clock, rng=random.Random(1))


@pytest.mark.parametrize(
    "reason",
    [
        AWAY,
        reasons.ERROR_REASON_STORE_UNAVAILABLE,
        reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE,
        reasons.ERROR_REASON_SHUTTING_DOWN,
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        reasons.ERROR_REASON_OVERLOADED,
        reasons.ERROR_REASON_CALLER_CANCELLED,
    ],
)
async def test_transient_failures_are_tried_again(
    retry: Retry, reason: reasons.ErrorReason.ValueType
) -> None:
    """Three of them are not seen."""
    operation = Failing(*(failed(reason) for _ in range(3)))
    assert await retry.call(operation) == "done"
    assert operation.calls == 4


@pytest.mark.parametrize(
    "reason",
    [
        reasons.ERROR_REASON_ATTEMPT_SUPERSEDED,
        reasons.ERROR_REASON_DOCUMENT_ALREADY_EXISTS,
        reasons.ERROR_REASON_INVALID_REQUEST,
        reasons.ERROR_REASON_STORE_MISMATCH,
        reasons.ERROR_REASON_QUOTA_EXCEEDED,
        reasons.ERROR_REASON_INTERNAL,
    ],
)
async def test_lasting_failures_are_not(retry: Retry, reason: reasons.ErrorReason.ValueType) -> None:
    """They come out at once."""
    operation = Failing(failed(reason))
    with pytest.raises(DocuQueryError):
        await retry.call(operation)
    assert operation.calls == 1


async def test_the_time_is_bounded(retry: Retry, clock: ManualClock) -> None:
    """Pauses never add up to more than the budget, and the last failure comes out."""
    operation = Failing(*(failed(AWAY) for _ in range(1000)))
    with pytest.raises(DocuQueryError):
        await retry.call(operation)
    assert 5 < clock.monotonic() <= 10
    assert 8 < operation.calls < 60


async def test_the_failed_service_may_ask_for_a_longer_pause(retry: Retry, clock: ManualClock) -> None:
    """Its RetryInfo is respected."""
    assert await retry.call(Failing(failed(reasons.ERROR_REASON_OVERLOADED, retry_after=3.0))) == "done"
    assert clock.monotonic() >= 3.0


async def test_a_pause_longer_than_the_budget_is_not_begun(retry: Retry, clock: ManualClock) -> None:
    """The caller learns at once that there is no point in waiting."""
    with pytest.raises(DocuQueryError):
        await retry.call(Failing(failed(AWAY, retry_after=60)))
    assert clock.monotonic() == 0
