"""The answer when nobody answers: who failed how, and when it is worth coming back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError, reason_name
from services.gateway.breakers.model import Snapshot
from services.gateway.breakers.registry import in_seconds
from services.gateway.model import Attempt

# Half an entry would be worse than none; and the whole Status must stay under 4 KiB.
_MAX_LISTED_CHARACTERS = 1000
_IN_A_SENTENCE = 5
_DEFAULT_RETRY_SECONDS = 1.0


def all_failed(attempts: Iterable[Attempt], breakers: Sequence[Snapshot]) -> DocuQueryError:
    """ALL_PROVIDERS_FAILED with the attempts as `provider=REASON` and the earliest time to return.

    `breakers` are those of every provider that could have been asked. Where operators hold all of them open,
    or there is none, no time is named: nobody knows one.
    """
    listed = listed_attempts(attempts)
    wait = _earliest_return(breakers)
    return DocuQueryError(
        reasons.ERROR_REASON_ALL_PROVIDERS_FAILED,
        f"No provider could answer ({_first(listed) or 'none is configured'}). Try again {in_seconds(wait)}.",
        metadata={"attempts": listed},
        retry_after_seconds=wait,
    )


def out_of_time(attempts: Iterable[Attempt]) -> DocuQueryError:
    """DEADLINE_EXCEEDED: the caller's time ended before a provider had answered, or all had failed."""
    return DocuQueryError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        "The time allowed ran out before a provider had answered. Allow more time and try again.",
        metadata={"attempts": listed_attempts(attempts)},
    )


def listed_attempts(attempts: Iterable[Attempt]) -> str:
    """As many attempts as there is room for, each as `provider=REASON`."""
    listed: list[str] = []
    for attempt in attempts:
        listed.append(f"{attempt.provider}={reason_name(attempt.error_reason)}")
        if sum(len(entry) + 2 for entry in listed) > _MAX_LISTED_CHARACTERS:
            listed.pop()
            break
    return ", ".join(listed)


def _first(listed: str) -> str:
    """As much as a sentence can hold."""
    shown = listed.split(", ")
    return ", ".join(shown[:_IN_A_SENTENCE]) + (", ..." if len(shown) > _IN_A_SENTENCE else "")


def _earliest_return(breakers: Sequence[Snapshot]) -> float | None:
    """Seconds until the first provider takes calls again; None when nobody knows."""
    if any(breaker.available for breaker in breakers):
        return _DEFAULT_RETRY_SECONDS
    waits = [breaker.retry_after_seconds for breaker in breakers if breaker.retry_after_seconds is not None]
    return min(waits, default=None)
