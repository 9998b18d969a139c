"""What a failure upstream means: SDK and transport exceptions become the contract's PROVIDER_* reasons.

Signals are an exception's class, its `.type` and `.code`, and the HTTP status; never a message, which
providers reword at will. The SDKs disagree on leaf classes (503 is two different ones), and an error can
come inside an HTTP 200 stream with a type and no status: hence codes first, then the status, then types.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import anthropic
import httpx2
import openai

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock, SystemClock
from libs.errors import LLM_DOMAIN, DocuQueryError
from libs.retry_after import retry_after_seconds

if TYPE_CHECKING:
    from libs.errors import Reason


class Phase(Enum):
    """How far a call had come; the value is the `phase` of the error's metadata."""

    OPENING = "OPENING"
    """No reply yet, or one that is an HTTP error."""
    BEFORE_FIRST_TOKEN = "BEFORE_FIRST_TOKEN"  # noqa: S105 - a token of text, not a secret
    """The stream is open; nothing of the answer has come."""
    MID_STREAM = "MID_STREAM"
    """Text has been passed on."""


class StreamTruncatedError(Exception):
    """The stream ended without its terminal event; the SDKs let this pass in silence."""


class BadResponseError(Exception):
    """The reply is no event stream, or an event does not have its documented shape."""


DECISIVE_CODES: dict[str, Reason] = {
    "insufficient_quota": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "billing_not_active": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "billing_error": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "contract_spend_limit_reached": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "enforced_spend_limit_reached": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "linked_organization_spend_limit_reached": reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    "context_length_exceeded": reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    "request_too_large": reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    "invalid_api_key": reasons.ERROR_REASON_PROVIDER_CREDENTIALS,
    "model_not_found": reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND,
    "overloaded_error": reasons.ERROR_REASON_PROVIDER_OVERLOADED,
    "rate_limit_error": reasons.ERROR_REASON_PROVIDER_RATE_LIMITED,
    "rate_limit_exceeded": reasons.ERROR_REASON_PROVIDER_RATE_LIMITED,
}
"""Codes and types that say more than the HTTP status they come with."""

STATUSES: dict[int, Reason] = {
    401: reasons.ERROR_REASON_PROVIDER_CREDENTIALS,
    402: reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
    403: reasons.ERROR_REASON_PROVIDER_CREDENTIALS,
    404: reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND,
    408: reasons.ERROR_REASON_PROVIDER_TIMEOUT,
    409: reasons.ERROR_REASON_PROVIDER_CONFLICT,
    413: reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    429: reasons.ERROR_REASON_PROVIDER_RATE_LIMITED,
    499: reasons.ERROR_REASON_CALLER_CANCELLED,
    503: reasons.ERROR_REASON_PROVIDER_OVERLOADED,
    504: reasons.ERROR_REASON_PROVIDER_TIMEOUT,
    529: reasons.ERROR_REASON_PROVIDER_OVERLOADED,
}
"""HTTP statuses with a meaning of their own; the rest go by class in `_by_status`."""

GENERIC_TYPES: dict[str, Reason] = {
    "api_error": reasons.ERROR_REASON_PROVIDER_INTERNAL,
    "server_error": reasons.ERROR_REASON_PROVIDER_INTERNAL,
    "authentication_error": reasons.ERROR_REASON_PROVIDER_CREDENTIALS,
    "permission_error": reasons.ERROR_REASON_PROVIDER_CREDENTIALS,
    "not_found_error": reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND,
    "timeout_error": reasons.ERROR_REASON_PROVIDER_TIMEOUT,
    "conflict_error": reasons.ERROR_REASON_PROVIDER_CONFLICT,
    "invalid_request_error": reasons.ERROR_REASON_PROVIDER_REJECTED_REQUEST,
}
"""Types that decide only where no HTTP error status does: inside a stream."""

MESSAGES: dict[Reason, str] = {
    reasons.ERROR_REASON_PROVIDER_TIMEOUT: "{who} did not answer in time. Try again.",
    reasons.ERROR_REASON_PROVIDER_CONNECTION: (
        "The connection to {who} failed. Try again; if that does not help, "
        "the operator must check the base URL and the network."
    ),
    reasons.ERROR_REASON_PROVIDER_INTERNAL: "{who} reported a fault of its own. Try again.",
    reasons.ERROR_REASON_PROVIDER_OVERLOADED: "{who} is overloaded. Try again in a moment.",
    reasons.ERROR_REASON_PROVIDER_RATE_LIMITED: "{who} limits the rate of requests. Try again later.",
    reasons.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED: (
        "The account at {who} has used up its quota or credit. Its operator must raise the limit."
    ),
    reasons.ERROR_REASON_PROVIDER_CREDENTIALS: (
        "{who} refused the server's API key. The operator must check the key and its permissions."
    ),
    reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND: (
        "{who} does not know the configured model. The operator must check the model's name and the base URL."
    ),
    reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED: (
        "Question, history and passages are longer than {who} accepts. "
        "Ask a shorter question or for fewer passages."
    ),
    reasons.ERROR_REASON_PROVIDER_REJECTED_REQUEST: (
        "{who} called the request invalid. The operator finds the details in the server's log."
    ),
    reasons.ERROR_REASON_PROVIDER_CONFLICT: "{who} reported a conflict. Try again.",
    reasons.ERROR_REASON_STREAM_TRUNCATED: "The answer of {who} broke off before its end. Try again.",
    reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE: (
        "The reply of {who} could not be understood. "
        "The operator must check that the base URL leads to its API."
    ),
    reasons.ERROR_REASON_CALLER_CANCELLED: "The request to {who} was cancelled.",
}
"""The public sentence of every reason `translate` gives."""


def translate(
    exception: BaseException, *, provider: str, model: str, phase: Phase, clock: Clock | None = None
) -> DocuQueryError:
    """The typed error of a failed call; total: whatever is not known counts as a reply not understood.

    `clock` (default: the system's) turns a Retry-After date into seconds. Text of the provider goes nowhere.
    """
    if isinstance(exception, DocuQueryError):
        return exception
    reason = _reason(exception)
    metadata = {"provider": provider, "model": model, "phase": phase.value}
    retry_after = None
    response = getattr(exception, "response", None)
    if isinstance(response, httpx2.Response):
        metadata["http_status"] = str(response.status_code)
        request_id = response.headers.get("request-id") or response.headers.get("x-request-id")
        if request_id:
            metadata["provider_request_id"] = request_id[:128]
        if response.status_code >= 400:
            retry_after = retry_after_seconds(response.headers, clock or SystemClock())
    sentence = MESSAGES[reason].format(who=f"the provider {provider!r} (model {model!r})")
    return DocuQueryError(
        reason,
        sentence[0].upper() + sentence[1:],
        metadata=metadata,
        retry_after_seconds=retry_after,
        domain=LLM_DOMAIN,
    )


def _reason(exception: BaseException) -> Reason:
    if isinstance(exception, StreamTruncatedError):
        return reasons.ERROR_REASON_STREAM_TRUNCATED
    if isinstance(exception, (openai.APITimeoutError, anthropic.APITimeoutError)):
        return reasons.ERROR_REASON_PROVIDER_TIMEOUT
    if isinstance(exception, (openai.APIConnectionError, anthropic.APIConnectionError)):
        # The SDKs wrap every transport error alike; an undecodable body is no broken connection.
        undecodable = isinstance(exception.__cause__, httpx2.DecodingError)
        return _transport(exception.__cause__) if undecodable else reasons.ERROR_REASON_PROVIDER_CONNECTION
    if isinstance(exception, (openai.APIResponseValidationError, anthropic.APIResponseValidationError)):
        return reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE
    if isinstance(exception, (openai.APIError, anthropic.APIError)):
        return _reported(exception)
    return _transport(exception)


def _transport(exception: BaseException | None) -> Reason:
    """For what comes raw: from httpx2, the socket, the JSON parser."""
    if isinstance(exception, (httpx2.TimeoutException, TimeoutError)):
        return reasons.ERROR_REASON_PROVIDER_TIMEOUT
    if isinstance(exception, httpx2.DecodingError):
        return reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE
    if isinstance(exception, (httpx2.RequestError, OSError)):  # ssl.SSLError is an OSError
        return reasons.ERROR_REASON_PROVIDER_CONNECTION
    return reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE


def _reported(error: openai.APIError | anthropic.APIError) -> Reason:
    """For an error the provider put into words: its codes, its status, its type."""
    kind = _text(getattr(error, "type", None))
    code = _text(getattr(error, "code", None))
    for word in (_text(getattr(error, "error_code", None)), code, kind):
        if word in DECISIVE_CODES:
            return DECISIVE_CODES[word]
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or status == 200:
        # Compatible servers put the HTTP status they could no longer send into `code`.
        status = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else None
    if status is not None:
        return _by_status(status)
    return GENERIC_TYPES.get(kind, reasons.ERROR_REASON_PROVIDER_INTERNAL)


def _by_status(status: int) -> Reason:
    if status in STATUSES:
        return STATUSES[status]
    if status >= 500:
        return reasons.ERROR_REASON_PROVIDER_INTERNAL
    if status >= 400:
        return reasons.ERROR_REASON_PROVIDER_REJECTED_REQUEST
    return reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE  # a redirect, say: keys do not follow those


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
