"""Ends a call with an error of ours."""

from __future__ import annotations

from typing import Any

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.status import STATUS_DETAILS_KEY, to_status

# Understood by every gRPC client that retries by its service config (gRFC A6).
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")


async def abort(context: Any, error: DocuQueryError, request_id: str) -> None:
    """Ends the call of a grpc.aio servicer context with the Status of `error`. Raises grpc.aio.AbortError.

    What we say on purpose is an answer: gRPC's own retries (see channel.py) are for other failures, and for a
    server that is shutting down.
    """
    status = to_status(error, request_id)
    trailers: tuple[tuple[str, str | bytes], ...] = ((STATUS_DETAILS_KEY, status.SerializeToString()),)
    if error.reason != reasons.ERROR_REASON_SHUTTING_DOWN:
        trailers = (*trailers, _DO_NOT_RETRY)
    await context.abort(error.code, status.message, trailers)
