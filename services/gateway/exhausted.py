"""The answer when nobody answers: who failed how, and when it is worth coming back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError, reason_name
from services.gateway.breaker_model import Snapshot
from services.gateway.model import Attempt

# Values of ErrorInfo.metadata are cut at 300 characters; half an entry would be worse than none.
_MAX_LISTED_CHARACTERS = 280
_DEFAULT_RETRY_SECONDS = 1.0


def all_failed(attempts: Iterable[Attempt], breakers: Sequence[Snapshot]) -> DocuQueryError:
    """ALL_PROVIDERS_FAILED with the attempts as `provider=REASON` and the earliest time to return.

    `breakers` are those of every provider that could have been asked.
    """
    listed = _listed(attempts)
    wait = _earliest_return(breakers)
    return DocuQueryError(
        reasons.ERROR_REASON_ALL_PROVIDERS_FAILED,
        f"No provider could answer ({listed or 'none is configured'}). Try again in {max(1, round(wait))} s.",
        metadata={"attempts": listed},
        retry_after_seconds=wait,
    )


def out_of_time(attempts: Iterable[Attempt]) -> DocuQueryError:
    """DEADLINE_EXCEEDED: the caller's time ended before a provider had answered, or all had failed."""
    return DocuQueryError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        f"The time allowed ran out before a provider had answered ({_listed(attempts)}). "
        "Allow more time and try again.",
    )


def _listed(attempts: Iterable[Attempt]) -> str:
    """As many attempts as there is room for, each as `provider=REASON`."""
    listed: list[str] = []
    for attempt in attempts:
        listed.append(f"{attempt.provider}={reason_name(attempt.error_reason)}")
        if sum(len(entry) + 2 for entry in listed) > _MAX_LISTED_CHARACTERS:
            listed.pop()
            break
    return ", ".join(listed)


def _earliest_return(breakers: Sequence[Snapshot]) -> float:
    """Seconds until the first provider takes calls again."""
    waits = [breaker.retry_after_seconds for breaker in breakers if breaker.retry_after_seconds is not None]
    if not waits or any(breaker.available for breaker in breakers):
        return _DEFAULT_RETRY_SECONDS
    return min(waits)
