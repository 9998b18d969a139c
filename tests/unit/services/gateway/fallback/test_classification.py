"""The table of RESILIENCE.md §2, row by row, and that no reason is without one."""

from __future__ import annotations

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.error_reason_pb2 import ErrorReason
from libs.errors import LLM_DOMAIN, DocuQueryError, reason_from_name
from services.gateway.breakers.model import IGNORED, SUCCESS, OutcomeKind
from services.gateway.fallback.classification import (
    NextProvider,
    RetrySame,
    is_bare,
    is_own_timer,
    judge_provider,
    judge_service,
)

# reason, retry same, next provider, breaker
TABLE = [
    ("PROVIDER_TIMEOUT", "no", "yes", "failure"),
    ("PROVIDER_CONNECTION", "once", "yes", "failure"),
    ("PROVIDER_INTERNAL", "once", "yes", "failure"),
    ("PROVIDER_OVERLOADED", "no", "yes", "failure"),
    ("PROVIDER_RATE_LIMITED", "if_short", "yes", "park"),
    ("PROVIDER_QUOTA_EXHAUSTED", "no", "yes", "park"),
    ("PROVIDER_CREDENTIALS", "no", "yes", "park"),
    ("PROVIDER_MODEL_NOT_FOUND", "no", "yes", "park"),
    ("CONTEXT_WINDOW_EXCEEDED", "no", "larger_window", "ignored"),
    ("PROVIDER_REJECTED_REQUEST", "no", "yes", "ignored"),
    ("PROVIDER_CONFLICT", "once", "yes", "ignored"),
    ("STREAM_TRUNCATED", "no", "yes", "failure"),
    ("PROVIDER_BAD_RESPONSE", "no", "yes", "failure"),
    ("ALL_PROVIDERS_FAILED", "no", "no", "ignored"),
    ("CALLER_CANCELLED", "no", "no", "ignored"),
]


def error(name: str, **metadata: str) -> DocuQueryError:
    return DocuQueryError(reason_from_name(name), "Failed.", metadata=metadata)


@pytest.mark.parametrize(("name", "retry", "following", "breaker"), TABLE)
def test_each_row_of_the_table(name: str, retry: str, following: str, breaker: str) -> None:
    verdict = judge_provider(error(name))
    assert verdict.retry_same is RetrySame(retry)
    assert verdict.next_provider is NextProvider(following)
    assert verdict.outcome.kind is OutcomeKind(breaker)
    if breaker in ("failure", "park"):
        assert verdict.outcome.reason == reason_from_name(name)


def test_every_reason_a_provider_can_cause_has_a_row_of_its_own() -> None:
    in_contract = {name.removeprefix("ERROR_REASON_") for name, value in ErrorReason.items() if value >= 100}
    assert in_contract <= {row[0] for row in TABLE}


@pytest.mark.parametrize("name", [name.removeprefix("ERROR_REASON_") for name, _ in ErrorReason.items()])
def test_every_reason_gets_a_verdict_and_only_providers_reasons_reach_their_breakers(name: str) -> None:
    verdict = judge_provider(error(name))
    if reason_from_name(name) < 100:
        assert verdict.outcome == IGNORED


@pytest.mark.parametrize(
    "name", ["PROVIDER_QUOTA_EXHAUSTED", "PROVIDER_CREDENTIALS", "PROVIDER_MODEL_NOT_FOUND"]
)
def test_what_a_wait_does_not_mend_parks_for_a_minute_and_alerts(name: str) -> None:
    verdict = judge_provider(error(name))
    assert verdict.outcome.park_seconds == 60
    assert verdict.alert


def test_a_rejected_request_alerts_and_blames_nobody() -> None:
    verdict = judge_provider(error("PROVIDER_REJECTED_REQUEST"))
    assert verdict.alert
    assert verdict.outcome == IGNORED


@pytest.mark.parametrize(("after", "parked"), [(None, None), (0.0, None), (0.4, 0.4), (30.0, 30.0)])
def test_a_rate_limit_parks_for_what_the_provider_says(after: float | None, parked: float | None) -> None:
    limited = DocuQueryError(
        reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, "Slow down.", retry_after_seconds=after
    )
    assert judge_provider(limited).outcome.park_seconds == parked


def test_a_timeout_the_provider_reported_itself_is_told_from_a_timer_of_ours() -> None:
    assert is_own_timer(error("PROVIDER_TIMEOUT"))
    assert not is_own_timer(error("PROVIDER_TIMEOUT", http_status="504"))
    assert not is_own_timer(error("PROVIDER_OVERLOADED"))


def test_nothing_is_retried_at_the_same_provider_once_it_had_begun_to_answer() -> None:
    verdict = judge_provider(error("PROVIDER_CONNECTION", phase="MID_STREAM"))
    assert verdict.retry_same is RetrySame.NO
    assert verdict.next_provider is NextProvider.YES
    assert verdict.outcome.kind is OutcomeKind.FAILURE


def test_an_unknown_provider_reason_of_a_newer_service_goes_on_to_the_next() -> None:
    unknown = DocuQueryError(reasons.ERROR_REASON_UNSPECIFIED, "New.", domain=LLM_DOMAIN)
    verdict = judge_provider(unknown)
    assert (verdict.next_provider, verdict.outcome) == (NextProvider.YES, IGNORED)


def test_a_dead_answer_service_is_tried_once_more_and_no_other_provider_through_it() -> None:
    verdict = judge_provider(error("SERVICE_UNAVAILABLE", service="answer"))
    assert (verdict.retry_same, verdict.next_provider) == (RetrySame.ONCE, NextProvider.NO)


# --- our own services ---


@pytest.mark.parametrize("name", ["SERVICE_UNAVAILABLE", "INTERNAL", "CALLER_CANCELLED", "DEADLINE_EXCEEDED"])
def test_a_status_without_our_error_info_counts_against_the_service(name: str) -> None:
    bare = error(name, service="answer")
    assert is_bare(bare, "answer")
    outcome = judge_service(bare, "answer", 10.0)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILURE, reason_from_name(name))


def test_a_deadline_too_short_to_judge_by_counts_for_nothing() -> None:
    assert judge_service(error("DEADLINE_EXCEEDED", service="answer"), "answer", 1.0) == IGNORED


@pytest.mark.parametrize(
    "name",
    [
        "DOCUMENT_NOT_FOUND",
        "INVALID_REQUEST",
        "EMBEDDER_UNAVAILABLE",
        "STORE_UNAVAILABLE",
        "PROVIDER_TIMEOUT",
    ],
)
def test_what_a_service_raises_itself_shows_that_it_works(name: str) -> None:
    assert judge_service(error(name), "retrieval", 10.0) == SUCCESS


@pytest.mark.parametrize("name", ["INTERNAL", "SHUTTING_DOWN", "OVERLOADED", "DEADLINE_EXCEEDED"])
def test_what_says_nothing_of_a_service_is_ignored(name: str) -> None:
    assert judge_service(error(name), "retrieval", 10.0) == IGNORED


def test_another_service_s_death_reported_by_this_one_is_not_its_own() -> None:
    assert judge_service(error("SERVICE_UNAVAILABLE", service="retrieval"), "ingest", 10.0) == SUCCESS
