"""An attempt whose ingest went silent shows as failed; everything else shows as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.retrieval.attempts.lease import ABANDONED, as_of, is_abandoned, stage_status
from services.retrieval.model import Stage, Status
from tests.contract.retrieval_samples import record


def test_an_open_attempt_is_abandoned_from_the_end_of_its_lease() -> None:
    item = record(1, live=False, status=Status.PROCESSING)
    before, at = item.attempt.lease_end - timedelta(microseconds=1), item.attempt.lease_end
    assert not is_abandoned(item, before)
    assert as_of(item, before) is item
    assert is_abandoned(item, at)
    seen = as_of(item, at)
    assert seen.status is Status.FAILED
    assert seen.attempt.error == ABANDONED
    assert ABANDONED.retryable
    assert seen.attempt.stage is item.attempt.stage


def test_a_live_document_stays_indexed_when_its_attempt_is_abandoned() -> None:
    item = record(1, live=True, status=Status.PENDING)
    seen = as_of(item, item.attempt.lease_end)
    assert seen.status is Status.INDEXED
    assert seen.attempt.status is Status.FAILED


@pytest.mark.parametrize("status", [Status.INDEXED, Status.FAILED])
def test_an_attempt_that_has_ended_is_never_abandoned(status: Status) -> None:
    item = record(1, status=status)
    late = replace(item).attempt.lease_end + timedelta(days=1)
    assert as_of(item, late) is item


def test_an_attempt_is_pending_until_all_bytes_are_there() -> None:
    assert stage_status(Stage.RECEIVING) is Status.PENDING
    assert stage_status(Stage.PARSING) is stage_status(Stage.INDEXING) is Status.PROCESSING
