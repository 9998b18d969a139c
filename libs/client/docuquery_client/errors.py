"""The one exception of this client, made from the google.rpc.Status of a failed call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

RETRYABLE_REASONS = frozenset(
    {
        "DEADLINE_EXCEEDED",
        "DEADLINE_TOO_SHORT",
        "UPLOAD_INCOMPLETE",
        "ATTEMPT_SUPERSEDED",
        "CONVERSATIONS_UNAVAILABLE",
        "RATE_LIMITED",
        "OVERLOADED",
        "SERVICE_UNAVAILABLE",
        "CIRCUIT_OPEN",
        "EMBEDDER_UNAVAILABLE",
        "STORE_UNAVAILABLE",
        "SHUTTING_DOWN",
        "PROVIDER_TIMEOUT",
        "PROVIDER_CONNECTION",
        "PROVIDER_INTERNAL",
        "PROVIDER_OVERLOADED",
        "PROVIDER_RATE_LIMITED",
        "PROVIDER_CONFLICT",
        "STREAM_TRUNCATED",
        "ALL_PROVIDERS_FAILED",
    }
)
"""The reasons error_reason.proto calls retryable (a test compares the two)."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One fault of one request field."""

    field: str
    """Path of the field as in the contract: `filter.conditions[0].field`."""
    description: str
    """What the field must be."""


_RETRYABLE_CODES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,  # turned away at the server's door: see _BARE_MESSAGES
)
"""Of calls that failed without a reason of ours."""


class ApiError(Exception):
    """A call that failed.

    `str()` is one sentence for people; programs look at `reason` (see docuquery.common.v1.ErrorReason)
    and, where they know no better, at `retryable`.
    """

    code: grpc.StatusCode
    """The gRPC status."""
    reason: str
    """`DOCUMENT_NOT_FOUND` and the like; the code's own name when the server gave no reason, as when
    there is no server."""
    message: str
    """What went wrong and what to do."""
    violations: tuple[FieldViolation, ...]
    """Every fault of an INVALID_REQUEST."""
    retry_after_seconds: float | None
    """How long to wait before trying again, where the server knows."""
    request_id: str
    """What to quote in a report; stands in every service's log."""
    metadata: Mapping[str, str]
    """What the reason's comment in the contract promises, `limit_bytes` for example."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
        request_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id
        self.metadata = MappingProxyType(dict(metadata or {}))

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[object, ...]]:
        """So that it comes back whole from another process, as pools and task queues send it."""
        make = partial(
            type(self),
            violations=self.violations,
            retry_after_seconds=self.retry_after_seconds,
            request_id=self.request_id,
            metadata=dict(self.metadata),
        )
        return make, (self.code, self.reason, self.message)

    @property
    def server_spoke(self) -> bool:
        """Whether DocuQuery itself gave the reason; False when gRPC or the network failed."""
        return self.reason != self.code.name

    @property
    def found_no_server(self) -> bool:
        """Whether nothing answered at the address, DocuQuery or other."""
        return not self.server_spoke and self.message.startswith(_NOBODY)

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later (after `retry_after_seconds`, if set)."""
        if self.server_spoke:
            return self.reason in RETRYABLE_REASONS
        return self.code in _RETRYABLE_CODES

    def __str__(self) -> str:
        sentence = self.message.rstrip(".") or "The call failed"
        # The server's own text often lists the violations already.
        missing = [v for v in self.violations if v.description not in self.message]
        if missing:
            sentence += ": " + "; ".join(f"{v.field}: {v.description.rstrip('.')}" for v in missing)
        notes = [self.reason]
        if self.retry_after_seconds is not None:
            notes.append(f"try again in {self.retry_after_seconds:.3g} s")
        if self.request_id:
            notes.append(f"request id {self.request_id}")
        return f"{sentence} ({', '.join(notes)})."


_NOBODY = "No DocuQuery server answers at "
_BARE_MESSAGES = {
    grpc.StatusCode.UNAVAILABLE: _NOBODY + "{address}",
    grpc.StatusCode.DEADLINE_EXCEEDED: "No answer from {address} in the time allowed",
    # Not by us: a call cancelled here ends with asyncio.CancelledError.
    grpc.StatusCode.CANCELLED: "The server at {address} turned the call away without a reason, as it does "
    "when far too many wait; try again in a moment",
    grpc.StatusCode.UNIMPLEMENTED: "The server at {address} does not know this call; is it DocuQuery, "
    "and as new as this client?",
}
_CONNECTION_MESSAGES = {
    "WRONG_VERSION_NUMBER": "The server at {address} speaks no TLS; call it without",
    "CERTIFICATE_VERIFY_FAILED": "The certificate of the server at {address} is not believed; name the "
    "authority that signed it",
    "Hostname Verification Check failed": "The certificate of the server at {address} is for another name; "
    "say which one to expect",
    "Socket closed": "The server at {address} closed the connection at once; those that want TLS do so",
}
"""Of a server that is there and cannot be spoken to, by what gRPC says of it."""


def _bare_message(code: grpc.StatusCode, details: str, address: str) -> str:
    """What to tell of a failure that DocuQuery gave no reason for."""
    known = _BARE_MESSAGES.get(code, details)
    if code is grpc.StatusCode.UNAVAILABLE and details.startswith(
        ("failed to connect", "connections to all backends failing")
    ):
        known = next((text for said, text in _CONNECTION_MESSAGES.items() if said in details), known)
    return known.replace("{address}", address)


def _status_of(error: grpc.aio.AioRpcError) -> Status | None:
    try:
        # A snapshot of a finished call, so the synchronous reader fits.
        return rpc_status.from_call(error)  # type: ignore[arg-type] # asks only what both have
    except (ValueError, DecodeError):
        return None  # not a Status of ours: details that contradict the code, or bytes that are none


def from_rpc_error(error: grpc.aio.AioRpcError, *, address: str, request_id: str) -> ApiError:
    """The ApiError for a failed call to `address`; `request_id` is the one that was sent."""
    status = _status_of(error)
    info, retry_after, violations = ErrorInfo(), None, []
    for detail in status.details if status is not None else ():
        if detail.Is(ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry = RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Is(BadRequest.DESCRIPTOR):
            bad_request = BadRequest()
            detail.Unpack(bad_request)
            violations = [FieldViolation(v.field, v.description) for v in bad_request.field_violations]
    metadata = dict(info.metadata)
    request_id = metadata.pop("request_id", "") or request_id
    message = (status.message if status is not None else "") or error.details() or ""
    if not info.reason:
        message = _bare_message(error.code(), message, address)
    return ApiError(
        error.code(),
        info.reason or error.code().name,
        message,
        violations=violations,
        retry_after_seconds=retry_after,
        request_id=request_id,
        metadata=metadata,
    )


def stream_truncated(request_id: str) -> ApiError:
    """An answer's stream ended without its last event, whatever its status said."""
    return ApiError(
        grpc.StatusCode.UNAVAILABLE,
        "STREAM_TRUNCATED",
        "The stream ended before the answer did. Ask again.",
        request_id=request_id,
    )
