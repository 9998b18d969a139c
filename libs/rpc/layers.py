"""The layers around every call: request id, log line, errors, deadline, identity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import grpc
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.logging import is_debugging
from libs.rpc.abort import abort
from libs.rpc.context import REQUEST_ID_KEY, TENANT_KEY, CallContext, Identity, enter_call, request_id_from
from libs.rpc.deadlines import Deadline
from libs.rpc.layered import IncomingCall, Layer
from libs.rpc.status import from_rpc_error

log = structlog.get_logger()

IdentityResolver = Callable[[str, Mapping[str, str]], Identity]

_MOST_FOR_REPORTING = 0.05
"""Share of a caller's time."""

_LAST_WORD_SECONDS = 1.0
"""A status waits behind the responses before it: one who does not read those keeps the call no longer."""

_INTERNAL_MESSAGE = "Something went wrong on our side. Report it with the request id."


def request_id_layer(is_refusing: Callable[[], bool] = lambda: False) -> Layer:
    """Takes the caller's request id or makes one, and sends it back before anything else.

    Except to one of our own services in a unary call: it named the request itself, and headers of their own
    cost a short call a tenth of its time. And except while `is_refusing`: gRPC repeats a call elsewhere only
    when no header of it has been sent (gRFC A6); the error holds the id.
    """

    async def layer(call: IncomingCall) -> None:
        call.request_id = request_id_from(call.metadata)
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        known = TENANT_KEY in call.metadata and call.metadata.get(REQUEST_ID_KEY) == call.request_id
        if (call.response_streaming or not known) and not is_refusing():
            await call.context.send_initial_metadata(((REQUEST_ID_KEY, call.request_id),))
        await call.proceed()

    return layer


def logging_layer(clock: Clock) -> Layer:
    """Writes one line a call, with its status and duration, unless `call.logged` has been unset."""

    async def layer(call: IncomingCall) -> None:
        started = clock.monotonic()
        if is_debugging():
            log.debug("call_began", method=call.method, peer=call.context.peer())
        try:
            await call.proceed()
        except asyncio.CancelledError:
            call.status = "CANCELLED"
            raise
        finally:
            if call.logged:
                _log_call(call, clock.monotonic() - started)

    return layer


def _log_call(call: IncomingCall, seconds: float) -> None:
    tenant = {"tenant": call.identity.tenant, "caller": call.identity.caller} if call.identity else {}
    reason = {"reason": call.reason} if call.reason else {}
    log.info(
        "call",
        method=call.method,
        status=call.status,
        duration_ms=round(seconds * 1000, 2),
        **tenant,
        **reason,
    )


def _as_public(error: Exception, call: IncomingCall) -> DocuQueryError:
    if isinstance(error, DocuQueryError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error, "downstream")
    if isinstance(error, TimeoutError) and call.deadline is not None and call.deadline.remaining() == 0:
        return DocuQueryError(
            reasons.ERROR_REASON_DEADLINE_EXCEEDED,
            "The time allowed ran out before the work was done. Allow more time and try again.",
        )
    log.error("unexpected_error", method=call.method, exc_info=error)
    return DocuQueryError(reasons.ERROR_REASON_INTERNAL, _INTERNAL_MESSAGE)


async def error_layer(call: IncomingCall) -> None:
    """Turns what the handler raises into a Status with details; the unknown becomes INTERNAL.

    Raises grpc.aio.AbortError, which ends the call with that Status; gRPC does so itself for a caller who has
    left the responses before it unread.
    """
    try:
        await call.proceed()
    except grpc.aio.AbortError:
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if call.context.cancelled() or (task is not None and task.cancelling() > 0):
            raise
        # Something inside cancelled itself; left alone, the caller would wait for its deadline.
        log.error("handler_cancelled_itself", method=call.method)
        await _abort(call, DocuQueryError(reasons.ERROR_REASON_INTERNAL, _INTERNAL_MESSAGE))
    except Exception as error:
        await _abort(call, _as_public(error, call))


async def _abort(call: IncomingCall, error: DocuQueryError) -> None:
    call.status, call.reason = error.code.name, error.reason_name
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORD_SECONDS):
            await abort(call.context, error, call.request_id)


def deadline_layer(
    clock: Clock,
    default_seconds: float | None,
    longest_seconds: Mapping[str, float] | None = None,
    report_seconds: float = 0.0,
) -> Layer:
    """Fixes the moment the work must be done by: the caller's deadline, else `default_seconds` from now.

    Calls that stream requests (uploads) have no default: they are bounded by their own limits.
    `longest_seconds`, by full method name, bounds a call whatever its caller allows, the sending of its
    responses included: who does not read them keeps nothing occupied for longer. `report_seconds` of what the
    caller allows, at most a twentieth, are set aside: when its time has passed, it hears no reason any more.
    """
    longest_seconds = longest_seconds or {}

    async def layer(call: IncomingCall) -> None:
        remaining = call.context.time_remaining()
        longest = longest_seconds.get(call.method)
        if longest is not None and (remaining is None or remaining > longest):
            call.deadline = Deadline.after(longest, clock)
            async with asyncio.timeout(longest):
                await call.proceed()
        elif remaining is not None:
            # gRPC itself cancels the handler when the caller's deadline passes.
            reserve = min(report_seconds, remaining * _MOST_FOR_REPORTING)
            call.deadline = Deadline.after(max(0.0, remaining - reserve), clock)
            await call.proceed()
        elif default_seconds is None or call.request_streaming:
            call.deadline = Deadline.never(clock)
            await call.proceed()
        else:
            call.deadline = Deadline.after(default_seconds, clock)
            async with asyncio.timeout(default_seconds):
                await call.proceed()

    return layer


def identity_layer(resolve: IdentityResolver) -> Layer:
    """Finds out who calls, and makes the call's context known to everything inside."""

    async def layer(call: IncomingCall) -> None:
        call.identity = resolve(call.method, call.metadata)
        structlog.contextvars.bind_contextvars(tenant=call.identity.tenant)
        if call.deadline is None:
            raise RuntimeError("the deadline layer comes before the identity layer")
        enter_call(CallContext(call.request_id, call.method, call.identity, call.deadline))
        await call.proceed()

    return layer


def reading_layer(seconds: Mapping[str, float]) -> Layer:
    """Gives up on callers that leave a response unread for so long; `seconds` by full method name.

    For calls that may last as long as their caller sends: one who neither sends nor reads keeps nothing.
    """

    async def layer(call: IncomingCall) -> None:
        call.reading_seconds = seconds.get(call.method)
        await call.proceed()

    return layer


def door_layer(check: Callable[[str, dict[str, str]], None]) -> Layer:
    """Lets `check` refuse a call by its method and metadata, without anything else being known of it."""

    async def layer(call: IncomingCall) -> None:
        check(call.method, call.metadata)
        await call.proceed()

    return layer
