"""What the failure of an embeddings request means: whether to try again, and what to tell people.

Signals are an exception's class, its `.type` and `.code`, and the HTTP status; never a message, which
servers reword at will.
"""

from __future__ import annotations

from enum import Enum, auto

import httpx2
import openai

from libs.clock import Clock
from libs.retry_after import retry_after_seconds


class Kind(Enum):
    """What can be done about it."""

    TRANSIENT = auto()
    """The same request may succeed in a moment."""
    TIMEOUT = auto()
    """As TRANSIENT, but may be the fault of a caller in a hurry, not the server's."""
    RATE_LIMITED = auto()
    """It may succeed later; until then no other will either."""
    LASTING = auto()
    """No request will succeed before somebody has changed something."""
    TOO_LARGE = auto()
    """The request may succeed in smaller parts."""
    REFUSED = auto()
    """This request will never succeed; others may."""


class ApiError(Exception):
    """A failed request. `message` is public: a sentence that says what to do."""

    def __init__(self, kind: Kind, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_seconds = retry_after_seconds


CREDENTIALS = (
    "The embeddings server refused the key. The operator must set EMBEDDING_API_KEY (or OPENAI_API_KEY)."
)
MODEL = (
    "The embeddings server knows no such model or address. The operator must check EMBEDDING_MODEL and "
    "EMBEDDING_BASE_URL (it ends in /v1, as a rule)."
)
QUOTA = "The account at the embeddings server has used up its quota or credit. Its operator must raise it."
RATE = "The embeddings server limits the rate of requests. Try again later."
SLOW = "The embeddings server did not answer in time. Try again."
UNREACHABLE = (
    "The embeddings server cannot be reached. Try again; if that does not help, the operator must check "
    "EMBEDDING_BASE_URL and the network."
)
FAULT = "The embeddings server reported a fault of its own. Try again."
INVALID = (
    "The embeddings server called the request invalid. The operator must check EMBEDDING_MODEL and "
    "EMBEDDING_DIMENSIONS, and that the model takes texts of CHUNK_SIZE characters."
)
TOO_LARGE = "A text is longer than the embeddings server takes. The operator must lower CHUNK_SIZE."
NOT_UNDERSTOOD = (
    "The reply of the embeddings server could not be understood. The operator must check that "
    "EMBEDDING_BASE_URL leads to an OpenAI-compatible API."
)

_CODES: dict[str, tuple[Kind, str]] = {
    "insufficient_quota": (Kind.LASTING, QUOTA),
    "billing_hard_limit_reached": (Kind.LASTING, QUOTA),
    "billing_not_active": (Kind.LASTING, QUOTA),
    "invalid_api_key": (Kind.LASTING, CREDENTIALS),
    "model_not_found": (Kind.LASTING, MODEL),
    "rate_limit_exceeded": (Kind.RATE_LIMITED, RATE),
}
"""Codes and types that say more than the HTTP status they come with."""

_STATUSES: dict[int, tuple[Kind, str]] = {
    401: (Kind.LASTING, CREDENTIALS),
    402: (Kind.LASTING, QUOTA),
    403: (Kind.LASTING, CREDENTIALS),
    404: (Kind.LASTING, MODEL),
    408: (Kind.TIMEOUT, SLOW),
    409: (Kind.TRANSIENT, FAULT),
    413: (Kind.TOO_LARGE, TOO_LARGE),
    425: (Kind.TRANSIENT, FAULT),
    429: (Kind.RATE_LIMITED, RATE),
    504: (Kind.TIMEOUT, SLOW),
}


def classify(exception: Exception, clock: Clock) -> ApiError:
    """The failure behind what the SDK or the transport raised; total: the unknown is not understood.

    `clock` turns a Retry-After date into seconds.
    """
    if isinstance(exception, ApiError):
        return exception
    if isinstance(exception, openai.APITimeoutError | httpx2.TimeoutException | TimeoutError):
        return ApiError(Kind.TIMEOUT, SLOW)
    if isinstance(exception, openai.APIStatusError):
        kind, message = _reported(exception)
        headers = exception.response.headers
        return ApiError(kind, message, retry_after_seconds=retry_after_seconds(headers, clock))
    cause = exception.__cause__ if isinstance(exception, openai.APIConnectionError) else exception
    if isinstance(cause, httpx2.DecodingError):
        return ApiError(Kind.REFUSED, NOT_UNDERSTOOD)
    if isinstance(exception, openai.APIConnectionError | httpx2.RequestError | OSError):
        return ApiError(Kind.TRANSIENT, UNREACHABLE)
    return ApiError(Kind.REFUSED, NOT_UNDERSTOOD)


def _reported(error: openai.APIStatusError) -> tuple[Kind, str]:
    for word in (error.code, error.type):
        if isinstance(word, str) and word in _CODES:
            return _CODES[word]
    if error.status_code in _STATUSES:
        return _STATUSES[error.status_code]
    if error.status_code >= 500:
        return Kind.TRANSIENT, FAULT
    if error.status_code >= 400:
        return Kind.REFUSED, INVALID
    return Kind.LASTING, NOT_UNDERSTOOD  # a redirect, say: keys do not follow those
