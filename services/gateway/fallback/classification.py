"""What a failed call means: try the same again, try another provider, and whom to blame.

One function for errors met while opening a stream and while reading it alike. The table is
RESILIENCE.md §2; a test holds it complete over every reason an LLM provider can cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DOMAIN, LLM_DOMAIN, DocuQueryError
from services.gateway.breakers.model import IGNORED, SUCCESS, Outcome, OutcomeKind

if TYPE_CHECKING:
    from libs.errors import Reason

PARK_LONG_SECONDS = 60.0
"""Quota, credentials, a retired model: nothing that a minute mends, so look again once a minute."""

JUDGEABLE_SECONDS = 2.0
"""A target that got less time than this and missed it has not failed: the caller was in a hurry."""


class RetrySame(Enum):
    """Whether the same target is worth asking again."""

    NO = "no"
    ONCE = "once"
    IF_SHORT = "if_short"
    """Only when it names a short wait itself (Retry-After of at most a second)."""


class NextProvider(Enum):
    """Whether another provider is worth asking."""

    NO = "no"
    YES = "yes"
    LARGER_WINDOW = "larger_window"
    """Only one with a larger context window."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after a failed attempt."""

    retry_same: RetrySame
    next_provider: NextProvider
    outcome: Outcome
    """What the provider's breaker learns."""
    alert: bool = False
    """Somebody must act: no waiting mends it."""


@dataclass(frozen=True, slots=True)
class _Row:
    retry_same: RetrySame
    next_provider: NextProvider
    kind: OutcomeKind
    park_seconds: float | None = None
    alert: bool = False


_NO, _ONCE, _SHORT = RetrySame.NO, RetrySame.ONCE, RetrySame.IF_SHORT
_STOP, _NEXT, _LARGER = NextProvider.NO, NextProvider.YES, NextProvider.LARGER_WINDOW
_FAILURE, _IGNORED, _PARK = OutcomeKind.FAILURE, OutcomeKind.IGNORED, OutcomeKind.PARK

_PROVIDER_ROWS: dict[Reason, _Row] = {
    reasons.ERROR_REASON_PROVIDER_TIMEOUT: _Row(_NO, _NEXT, _FAILURE),
    reasons.ERROR_REASON_PROVIDER_CONNECTION: _Row(_ONCE, _NEXT, _FAILURE),
    reasons.ERROR_REASON_PROVIDER_INTERNAL: _Row(_ONCE, _NEXT, _FAILURE),
    reasons.ERROR_REASON_PROVIDER_OVERLOADED: _Row(_NO, _NEXT, _FAILURE),
    reasons.ERROR_REASON_PROVIDER_RATE_LIMITED: _Row(_SHORT, _NEXT, _PARK),
    reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED: _Row(_NO, _NEXT, _PARK, PARK_LONG_SECONDS, alert=True),
    reasons.ERROR_REASON_PROVIDER_CREDENTIALS: _Row(_NO, _NEXT, _PARK, PARK_LONG_SECONDS, alert=True),
    reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND: _Row(_NO, _NEXT, _PARK, PARK_LONG_SECONDS, alert=True),
    reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED: _Row(_NO, _LARGER, _IGNORED),
    reasons.ERROR_REASON_PROVIDER_REJECTED_REQUEST: _Row(_NO, _NEXT, _IGNORED, alert=True),
    reasons.ERROR_REASON_PROVIDER_CONFLICT: _Row(_ONCE, _NEXT, _IGNORED),
    # "Before the first token only" is the attempt loop's rule for every error.
    reasons.ERROR_REASON_STREAM_TRUNCATED: _Row(_NO, _NEXT, _FAILURE),
    reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE: _Row(_NO, _NEXT, _FAILURE),
    reasons.ERROR_REASON_ALL_PROVIDERS_FAILED: _Row(_NO, _STOP, _IGNORED),
}

# What is not a provider's doing never reaches a provider's breaker.
_OTHER_ROWS: dict[Reason, _Row] = {
    # Another replica of the answer service may do it; another provider goes through the same service.
    reasons.ERROR_REASON_SERVICE_UNAVAILABLE: _Row(_ONCE, _STOP, _IGNORED),
    reasons.ERROR_REASON_SHUTTING_DOWN: _Row(_ONCE, _STOP, _IGNORED),
    reasons.ERROR_REASON_OVERLOADED: _Row(_SHORT, _STOP, _IGNORED),
    # A fault of ours in one adapter need not be in the next one.
    reasons.ERROR_REASON_INTERNAL: _Row(_NO, _NEXT, _IGNORED, alert=True),
    # What its caller allows is too short for a provider, or ran out while it was writing: no fault of it.
    # Where nobody has seen any of the answer, the next one or the rung below may still have time.
    reasons.ERROR_REASON_DEADLINE_EXCEEDED: _Row(_NO, _NEXT, _IGNORED),
    # The list of providers has changed since we fetched it.
    reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED: _Row(_NO, _NEXT, _IGNORED),
}
_REST = _Row(_NO, _STOP, _IGNORED)
_UNKNOWN_PROVIDER_REASON = _Row(_NO, _NEXT, _IGNORED, alert=True)


def is_own_timer(error: DocuQueryError) -> bool:
    """Whether a timer of ours ended the call, here or in the answer service, and not the provider itself."""
    return error.reason == reasons.ERROR_REASON_PROVIDER_TIMEOUT and not error.metadata.get("http_status")


def judge_provider(error: DocuQueryError) -> Verdict:
    """What to do after an attempt on a provider that failed."""
    row = _row_of(error)
    retry_same, kind = row.retry_same, row.kind
    if error.metadata.get("phase") == "MID_STREAM":
        retry_same = RetrySame.NO  # a whole answer's tokens were nearly paid for once already
    if kind is OutcomeKind.IGNORED:
        return Verdict(retry_same, row.next_provider, IGNORED, row.alert)
    park_seconds = None
    if kind is OutcomeKind.PARK:
        # "In 0 s" names no time: at once would be again and again.
        park_seconds = row.park_seconds or error.retry_after_seconds or None
    return Verdict(retry_same, row.next_provider, Outcome(kind, error.reason, park_seconds), row.alert)


def _row_of(error: DocuQueryError) -> _Row:
    if error.reason in _PROVIDER_ROWS:
        return _PROVIDER_ROWS[error.reason]
    if error.domain == LLM_DOMAIN:
        return _UNKNOWN_PROVIDER_REASON  # a newer answer service knows a reason that we do not
    return _OTHER_ROWS.get(error.reason, _REST)


# What gRPC itself says of a service, when nothing in it raised an error of ours.
_BARE_FAILURES: frozenset[Reason] = frozenset(
    {
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        reasons.ERROR_REASON_INTERNAL,
        reasons.ERROR_REASON_CALLER_CANCELLED,
    }
)
_SAYS_NOTHING: frozenset[Reason] = frozenset(
    {
        reasons.ERROR_REASON_INTERNAL,
        reasons.ERROR_REASON_SHUTTING_DOWN,
        reasons.ERROR_REASON_OVERLOADED,
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        reasons.ERROR_REASON_CALLER_CANCELLED,
        reasons.ERROR_REASON_NOT_SUPPORTED,
    }
)


def is_bare(error: DocuQueryError, service: str) -> bool:
    """Whether gRPC itself failed on the way to `service`, rather than code of ours raising in it.

    `libs.rpc.status.from_rpc_error` marks such errors by the service that was called.
    """
    return error.domain == DOMAIN and error.metadata.get("service") == service


def judge_service(error: DocuQueryError, service: str, allowed_seconds: float) -> Outcome:
    """What the breaker of one of our own services learns from a failed call that had `allowed_seconds`.

    An error raised in the service shows that the service works: NOT_FOUND, a provider's failure, a dead
    embedder are its answers. Only what gRPC itself reports counts against it.
    """
    if is_bare(error, service):
        if error.reason in _BARE_FAILURES:
            return Outcome(OutcomeKind.FAILURE, error.reason)
        if error.reason == reasons.ERROR_REASON_DEADLINE_EXCEEDED and allowed_seconds >= JUDGEABLE_SECONDS:
            return Outcome(OutcomeKind.FAILURE, error.reason)
        return IGNORED
    return IGNORED if error.reason in _SAYS_NOTHING else SUCCESS
