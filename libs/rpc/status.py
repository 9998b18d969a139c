"""DocuQueryError ↔ google.rpc.Status, both ways, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DOMAIN, LLM_DOMAIN, DocuQueryError, FieldViolation, reason_from_name
from libs.text import utf8_length

if TYPE_CHECKING:
    from libs.errors import Reason

MAX_STATUS_BYTES = 4096
"""gRPC replaces trailers over about 8 KiB by RESOURCE_EXHAUSTED; half of it leaves room for other keys."""

_MAX_MESSAGE_BYTES = 1000
_MAX_METADATA_BYTES = 2000
"""Of all values together; what is over is cut, the last ones first."""
_ENVELOPE_BYTES = 64
"""Of a detail: its type's name and its lengths."""
_LONGEST_DURATION_SECONDS = 315_576_000_000
"""Ten thousand years (duration.proto)."""
STATUS_DETAILS_KEY = "grpc-status-details-bin"


def to_status(error: DocuQueryError, request_id: str) -> Status:
    """The Status a caller gets: message, ErrorInfo, and BadRequest / RetryInfo where they apply.

    Never longer than 4 KiB: message and metadata are cut, and violations that find no room are left out.
    """
    status = Status(code=error.code.value[0], message=_cut(error.message, _MAX_MESSAGE_BYTES))
    info = ErrorInfo(reason=error.reason_name, domain=error.domain)
    room = _MAX_METADATA_BYTES
    for key, value in error.metadata.items():
        room -= len(key)
        info.metadata[key] = _cut(value, max(0, room))
        room -= utf8_length(info.metadata[key])
    info.metadata["request_id"] = request_id
    status.details.add().Pack(info)
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(round(min(error.retry_after_seconds, _LONGEST_DURATION_SECONDS) * 1e9))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    bad_request = _fitting(error.violations, MAX_STATUS_BYTES - status.ByteSize() - _ENVELOPE_BYTES)
    if bad_request.field_violations:
        status.details.add().Pack(bad_request)
    return status


def _fitting(violations: Iterable[FieldViolation], max_bytes: int) -> BadRequest:
    """As many of the violations, from the first on, as so many bytes hold; no more of them are looked at."""
    fitting = BadRequest()
    for violation in violations:
        fitting.field_violations.add(field=violation.field[:200], description=violation.description[:300])
        if fitting.ByteSize() > max_bytes:
            del fitting.field_violations[-1]
            break
    return fitting


def _cut(text: str, max_bytes: int) -> str:
    """The text's beginning, at most so many bytes in UTF-8."""
    if utf8_length(text) <= max_bytes:
        return text
    return text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")


def _status_of(error: grpc.aio.AioRpcError) -> Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                return None
    return None


def _from_details(status: Status) -> DocuQueryError | None:
    info, retry_after, violations = None, None, []
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo()
            detail.Unpack(info)
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry = RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Is(BadRequest.DESCRIPTOR):
            bad_request = BadRequest()
            detail.Unpack(bad_request)
            violations = [FieldViolation(v.field, v.description) for v in bad_request.field_violations]
    if info is None or info.domain not in (DOMAIN, LLM_DOMAIN):
        return None
    metadata = {key: value for key, value in info.metadata.items() if key != "request_id"}
    return DocuQueryError(
        reason_from_name(info.reason),
        status.message,
        metadata=metadata,
        violations=violations,
        retry_after_seconds=retry_after,
        domain=info.domain,
    )


_BARE_CODES: dict[grpc.StatusCode, Reason] = {
    grpc.StatusCode.CANCELLED: reasons.ERROR_REASON_CALLER_CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED: reasons.ERROR_REASON_DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED: reasons.ERROR_REASON_NOT_SUPPORTED,
    grpc.StatusCode.INTERNAL: reasons.ERROR_REASON_INTERNAL,
    # Between our services nothing but the size of a message is limited by gRPC.
    grpc.StatusCode.RESOURCE_EXHAUSTED: reasons.ERROR_REASON_MESSAGE_TOO_LARGE,
}


def unavailable(service: str) -> DocuQueryError:
    """The error of a service of ours that cannot be reached, or broke off."""
    return DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        f"The {service} service cannot be reached. Try again in a moment.",
        metadata={"service": service},
    )


def from_rpc_error(error: grpc.aio.AioRpcError, service: str) -> DocuQueryError:
    """What a failed call to our own `service` means.

    With our ErrorInfo: the error that was raised there. Without it, gRPC itself failed, and that says
    something of the service only: DEADLINE_EXCEEDED stays, RESOURCE_EXHAUSTED is MESSAGE_TOO_LARGE,
    everything else that is not a fault of the program becomes SERVICE_UNAVAILABLE.
    """
    status = _status_of(error)
    raised = _from_details(status) if status is not None else None
    if raised is not None:
        return raised
    reason = _BARE_CODES.get(error.code(), reasons.ERROR_REASON_SERVICE_UNAVAILABLE)
    if reason == reasons.ERROR_REASON_SERVICE_UNAVAILABLE:
        return unavailable(service)
    messages = {
        reasons.ERROR_REASON_DEADLINE_EXCEEDED: f"The {service} service did not answer in time. "
        "Try again, or allow more time.",
        reasons.ERROR_REASON_CALLER_CANCELLED: "The call was cancelled.",
        reasons.ERROR_REASON_MESSAGE_TOO_LARGE: f"What was sent to the {service} service, or what came "
        "back, is too large for one message. Send less, or ask for less at a time.",
    }
    message = messages.get(reason, "Something went wrong on our side. Report it with the request id.")
    return DocuQueryError(reason, message, metadata={"service": service})
