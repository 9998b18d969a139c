"""The one kind of failure our code raises on purpose, and what each reason means to a caller.

The reasons are the contract's `ErrorReason`; the tables below give each its gRPC code and say whether
a retry can help. A totality test keeps both complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import grpc

from docuquery.common.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    Reason: TypeAlias = reasons.ErrorReason.ValueType

DOMAIN = "docuquery"
LLM_DOMAIN = "docuquery.llm"
_PREFIX = "ERROR_REASON_"
_FIRST_PROVIDER_REASON = 100

Code = grpc.StatusCode

CODES: dict[Reason, grpc.StatusCode] = {
    reasons.ERROR_REASON_UNSPECIFIED: Code.UNKNOWN,
    reasons.ERROR_REASON_INVALID_REQUEST: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_INVALID_PAGE_TOKEN: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_MESSAGE_TOO_LARGE: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_DEADLINE_EXCEEDED: Code.DEADLINE_EXCEEDED,
    reasons.ERROR_REASON_DEADLINE_TOO_SHORT: Code.DEADLINE_EXCEEDED,
    reasons.ERROR_REASON_CALLER_CANCELLED: Code.CANCELLED,
    reasons.ERROR_REASON_NOT_SUPPORTED: Code.UNIMPLEMENTED,
    reasons.ERROR_REASON_EMPTY_DOCUMENT: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_UNSUPPORTED_DOCUMENT_TYPE: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_DOCUMENT_TYPE_MISMATCH: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_DOCUMENT_TOO_LARGE: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_DOCUMENT_CORRUPT: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_DOCUMENT_ENCRYPTED: Code.FAILED_PRECONDITION,
    reasons.ERROR_REASON_NO_TEXT: Code.FAILED_PRECONDITION,
    reasons.ERROR_REASON_UNKNOWN_TEXT_ENCODING: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_PARSE_TIMEOUT: Code.DEADLINE_EXCEEDED,
    reasons.ERROR_REASON_PARSE_LIMIT_EXCEEDED: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_CHECKSUM_MISMATCH: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_UPLOAD_INCOMPLETE: Code.ABORTED,
    reasons.ERROR_REASON_DOCUMENT_NOT_FOUND: Code.NOT_FOUND,
    reasons.ERROR_REASON_DOCUMENT_ALREADY_EXISTS: Code.ALREADY_EXISTS,
    reasons.ERROR_REASON_ATTEMPT_SUPERSEDED: Code.ABORTED,
    reasons.ERROR_REASON_PASSAGE_NOT_FOUND: Code.NOT_FOUND,
    reasons.ERROR_REASON_PARSER_CRASHED: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_CONVERSATION_NOT_FOUND: Code.NOT_FOUND,
    reasons.ERROR_REASON_PROMPT_VERSION_NOT_FOUND: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE: Code.UNAVAILABLE,
    reasons.ERROR_REASON_CREDENTIALS_MISSING: Code.UNAUTHENTICATED,
    reasons.ERROR_REASON_CREDENTIALS_INVALID: Code.UNAUTHENTICATED,
    reasons.ERROR_REASON_SCOPE_MISSING: Code.PERMISSION_DENIED,
    reasons.ERROR_REASON_RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_OVERLOADED: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_QUOTA_EXCEEDED: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_INTERNAL: Code.INTERNAL,
    reasons.ERROR_REASON_SERVICE_UNAVAILABLE: Code.UNAVAILABLE,
    reasons.ERROR_REASON_CIRCUIT_OPEN: Code.UNAVAILABLE,
    reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE: Code.UNAVAILABLE,
    reasons.ERROR_REASON_STORE_MISMATCH: Code.FAILED_PRECONDITION,
    reasons.ERROR_REASON_STORE_UNAVAILABLE: Code.UNAVAILABLE,
    reasons.ERROR_REASON_SHUTTING_DOWN: Code.UNAVAILABLE,
    reasons.ERROR_REASON_PROVIDER_TIMEOUT: Code.UNAVAILABLE,
    reasons.ERROR_REASON_PROVIDER_CONNECTION: Code.UNAVAILABLE,
    reasons.ERROR_REASON_PROVIDER_INTERNAL: Code.UNAVAILABLE,
    reasons.ERROR_REASON_PROVIDER_OVERLOADED: Code.UNAVAILABLE,
    reasons.ERROR_REASON_PROVIDER_RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED: Code.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_PROVIDER_CREDENTIALS: Code.FAILED_PRECONDITION,
    reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND: Code.FAILED_PRECONDITION,
    reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED: Code.INVALID_ARGUMENT,
    reasons.ERROR_REASON_PROVIDER_REJECTED_REQUEST: Code.FAILED_PRECONDITION,
    reasons.ERROR_REASON_PROVIDER_CONFLICT: Code.ABORTED,
    reasons.ERROR_REASON_STREAM_TRUNCATED: Code.UNAVAILABLE,
    reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE: Code.INTERNAL,
    reasons.ERROR_REASON_ALL_PROVIDERS_FAILED: Code.UNAVAILABLE,
}
"""The gRPC code each reason comes with (stated in error_reason.proto, checked by a test)."""

RETRYABLE: frozenset[Reason] = frozenset(
    {
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        reasons.ERROR_REASON_DEADLINE_TOO_SHORT,
        reasons.ERROR_REASON_UPLOAD_INCOMPLETE,
        reasons.ERROR_REASON_ATTEMPT_SUPERSEDED,
        reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE,
        reasons.ERROR_REASON_RATE_LIMITED,
        reasons.ERROR_REASON_OVERLOADED,
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        reasons.ERROR_REASON_CIRCUIT_OPEN,
        reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE,
        reasons.ERROR_REASON_STORE_UNAVAILABLE,
        reasons.ERROR_REASON_SHUTTING_DOWN,
        reasons.ERROR_REASON_PROVIDER_TIMEOUT,
        reasons.ERROR_REASON_PROVIDER_CONNECTION,
        reasons.ERROR_REASON_PROVIDER_INTERNAL,
        reasons.ERROR_REASON_PROVIDER_OVERLOADED,
        reasons.ERROR_REASON_PROVIDER_RATE_LIMITED,
        reasons.ERROR_REASON_PROVIDER_CONFLICT,
        reasons.ERROR_REASON_STREAM_TRUNCATED,
        reasons.ERROR_REASON_ALL_PROVIDERS_FAILED,
    }
)
"""Reasons after which the same request may succeed later."""


def reason_name(reason: Reason) -> str:
    """The wire form of a reason, without the enum's prefix: `DOCUMENT_NOT_FOUND`."""
    return reasons.ErrorReason.Name(reason).removeprefix(_PREFIX)


def reason_from_name(name: str) -> Reason:
    """The reason a wire name stands for; UNSPECIFIED when this program does not know it."""
    try:
        return reasons.ErrorReason.Value(_PREFIX + name)
    except ValueError:
        return reasons.ERROR_REASON_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One fault of one request field."""

    field: str
    """Path of the field as in the contract: `filter.conditions[0].field`."""
    description: str
    """A sentence that says what the field must be."""


class DocuQueryError(Exception):
    """A failure with a reason from the contract.

    `message` is public: it reaches the caller as it stands, so it says what to do and holds nothing
    internal. `metadata` holds the keys the reason's comment in error_reason.proto names.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
        domain: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.domain = domain or (LLM_DOMAIN if reason >= _FIRST_PROVIDER_REASON else DOMAIN)

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status code of the reason."""
        return CODES[self.reason]

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.reason in RETRYABLE

    @property
    def reason_name(self) -> str:
        """The wire form of the reason."""
        return reason_name(self.reason)

    def __str__(self) -> str:
        return f"{self.reason_name}: {self.message}"


_MOST_KEPT = 100
"""More faults than a Status has room for. A request of megabytes can hold millions."""


class Violations:
    """Collects the faults of a request, so that a caller learns of all of them at once."""

    def __init__(self) -> None:
        self._found: list[FieldViolation] = []
        self._count = 0

    def add(self, field: str, description: str) -> None:
        """Records a fault; of those beyond the first hundred only that there are more."""
        self._count += 1
        if self._count <= _MOST_KEPT:
            self._found.append(FieldViolation(field, description))

    def require(self, ok: bool, field: str, description: str) -> None:
        """Records a fault unless `ok`."""
        if not ok:
            self.add(field, description)

    def raise_if_any(self) -> None:
        """Raises INVALID_REQUEST with the recorded faults, if there are any."""
        if self._found:
            shown = (f"{v.field}: {v.description.rstrip('.')}" for v in self._found[:3])
            text = "; ".join(shown)
            more = self._count - 3
            suffix = f"; and {more} more." if more > 0 else "."
            raise DocuQueryError(
                reasons.ERROR_REASON_INVALID_REQUEST,
                f"The request is not valid. {text}{suffix}",
                violations=self._found,
            )
