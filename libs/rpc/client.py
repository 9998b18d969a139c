"""Calling our own services: metadata passed on, a timeout on every call, errors translated once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Generic, TypeVar

import grpc
import structlog

from docuquery_client.final_status import FinalStatus
from libs.logging import is_debugging
from libs.rpc.context import REQUEST_ID_KEY, TENANT_KEY, current_call_or_none
from libs.rpc.status import from_rpc_error, unavailable
from libs.telemetry import tracing

log = structlog.get_logger()

Req = TypeVar("Req")
Res = TypeVar("Res")

_ENDLESS_SECONDS = 366 * 86_400.0
"""gRPC for Python counts nanoseconds in 64 bits: a moment beyond the year 2262, which callers without a limit
name in some languages, would have passed for it."""

Metadata = tuple[tuple[str, str], ...]


def outgoing_metadata() -> Metadata:
    """Request id and tenant of the call being served, and its trace; none of it in background work."""
    call = current_call_or_none()
    if call is None:
        return tracing.outgoing()
    return (
        (REQUEST_ID_KEY, call.request_id),
        (TENANT_KEY, call.identity.tenant),
        *tracing.outgoing(),
    )


def _name(method: object) -> str:
    """`package.Service/Method`. A stub's method knows its name, and tells it to nobody."""
    name: bytes | str = getattr(method, "_method", "")
    return (name if isinstance(name, str) else name.decode()).lstrip("/")


def _span(method: object) -> tracing.Span:
    return tracing.client_span(_name(method)) if tracing.is_on() else tracing.NO_SPAN


def _timeout(seconds: float | None) -> float | None:
    return None if seconds is None or seconds > _ENDLESS_SECONDS else seconds


async def unary(
    method: grpc.aio.UnaryUnaryMultiCallable[Req, Res],
    request: Req,
    *,
    service: str,
    timeout_seconds: float | None,
    wait_for_ready: bool = False,
    metadata: Metadata | None = None,
) -> Res:
    """Calls a unary method of `service` (its short name, for messages).

    `timeout_seconds` None or infinite means no limit. `metadata` defaults to `outgoing_metadata()`.
    Raises DocuQueryError. Cancelling the caller cancels the call.
    """
    if is_debugging():
        log.debug("calling", service=service, method=_name(method), timeout_seconds=timeout_seconds)
    with _span(method) as span:
        try:
            response = await method(
                request,
                timeout=_timeout(timeout_seconds),
                metadata=outgoing_metadata() if metadata is None else metadata,
                wait_for_ready=wait_for_ready,
            )
        except grpc.aio.AioRpcError as error:
            span.set("rpc.response.status_code", error.code().name)
            raise from_rpc_error(error, service) from error
        span.set("rpc.response.status_code", "OK")
        return response


def _is_accepted(headers: Iterable[tuple[str, str | bytes]]) -> bool:
    """Whether these come from a server of ours; of a call that failed, gRPC gives empty ones."""
    return any(key == REQUEST_ID_KEY for key, _ in headers)


async def _translated(call: AsyncIterable[Res], service: str) -> AsyncGenerator[Res, None]:
    try:
        async for response in call:
            yield response
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, service) from error


@asynccontextmanager
async def server_stream(
    method: grpc.aio.UnaryStreamMultiCallable[Req, Res],
    request: Req,
    *,
    service: str,
    timeout_seconds: float | None,
    accept_seconds: float | None = None,
    on_accepted: Callable[[], None] | None = None,
) -> AsyncIterator[AsyncIterator[Res]]:
    """Opens a server stream and yields its responses; cancels the call on leaving, however that happens.

    A server that has not even sent its headers after `accept_seconds` counts as SERVICE_UNAVAILABLE; None
    waits as long as the call may take. `on_accepted` is told when it has sent them in that time. Raises
    DocuQueryError, while iterating, too.
    """
    if is_debugging():
        log.debug("calling", service=service, method=_name(method), timeout_seconds=timeout_seconds)
    with _span(method):
        call = method(request, timeout=_timeout(timeout_seconds), metadata=outgoing_metadata())
        try:
            if accept_seconds is not None:
                try:
                    async with asyncio.timeout(accept_seconds):
                        accepted = _is_accepted(await call.initial_metadata())
                except TimeoutError:
                    raise unavailable(service) from None
                if accepted and on_accepted is not None:
                    on_accepted()
            async with aclosing(_translated(call, service)) as responses:
                yield responses
        finally:
            call.cancel()


class BidiCall(Generic[Req, Res]):
    """A bidirectional stream with translated errors."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Req, Res], service: str) -> None:
        self._call = call
        self._service = service
        self._final = FinalStatus(call)

    async def write(self, request: Req) -> None:
        """Sends one message; waits while flow control holds it back. Raises DocuQueryError."""
        try:
            await self._call.write(request)
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error) from error
        except (asyncio.InvalidStateError, grpc.aio.UsageError) as error:
            # The stream has ended under us; its status says why.
            raise await self._ended() from error

    async def accepted(self) -> bool:
        """Waits for the server's headers; whether it took the call."""
        return _is_accepted(await self._call.initial_metadata())

    async def done_writing(self) -> None:
        """Tells the server that no more messages follow."""
        try:
            await self._call.done_writing()
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error) from error

    async def responses(self) -> AsyncIterator[Res]:
        """The server's messages, to the end of the stream. Raises DocuQueryError while iterating."""
        try:
            async for response in self._call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # The call was cancelled, and not who reads it: its channel was closed.
            raise unavailable(self._service) from None

    async def _ended(self) -> Exception:
        error = grpc.aio.AioRpcError(
            await self._call.code(),
            grpc.aio.Metadata(),
            await self._call.trailing_metadata(),
            details=await self._call.details(),
        )
        return await self._meaning(error)

    async def _meaning(self, error: grpc.aio.AioRpcError) -> Exception:
        return from_rpc_error(await self._final.behind(error), self._service)


@asynccontextmanager
async def bidi_stream(
    method: grpc.aio.StreamStreamMultiCallable[Req, Res],
    *,
    service: str,
    timeout_seconds: float | None,
    wait_for_ready: bool = False,
) -> AsyncIterator[BidiCall[Req, Res]]:
    """Opens a bidirectional stream; cancels the call on leaving, however that happens."""
    with _span(method):
        call = method(
            timeout=_timeout(timeout_seconds), metadata=outgoing_metadata(), wait_for_ready=wait_for_ready
        )
        try:
            yield BidiCall(call, service)
        finally:
            call.cancel()
