"""Wraps every method of a service, whatever its kind, in the same layers.

A layer is a coroutine around the rest of the call: it does its part, awaits `call.proceed()`, and sees how
that ended. The order of the layers is decided in one place, `server.serve`, with the reason for
each position.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.abort import abort
from libs.rpc.context import Identity, request_id_from
from libs.rpc.deadlines import Deadline

Context = Any  # grpc.aio.ServicerContext: generic in the types of each method


@dataclass(slots=True)
class IncomingCall:
    """A call on its way through the layers; each fills in what it knows."""

    method: str
    metadata: dict[str, str]
    context: Context
    request_streaming: bool
    response_streaming: bool
    request_id: str = ""
    identity: Identity | None = None
    deadline: Deadline | None = None
    status: str = "OK"
    reason: str = ""
    reading_seconds: float | None = None
    """How long its caller may leave a response unread; None: as long as the call may last."""
    on_request: Callable[[], None] | None = None
    """Called before each message of a stream of requests; raises to refuse it, and the rest."""
    logged: bool = True
    """Whether it gets a line of its own in the log."""
    response: Any = None
    """The one response of a method that does not stream them."""
    inward: Sequence[Layer] = ()
    """The layers, outermost first, and the handler."""
    _depth: int = 0

    def proceed(self) -> Awaitable[None]:
        """The rest of the call: the next layer, in the end the handler. To be awaited once by each layer."""
        layer = self.inward[self._depth]
        self._depth += 1
        return layer(self)


Layer = Callable[[IncomingCall], Awaitable[None]]

Gate = Callable[[str], DocuQueryError | None]
"""Asked with a call's method before anything else, even before its request is read; an error refuses it.

A refusal here costs half of one in a layer, but of the caller nothing is known yet.
"""


class LayeredServer:
    """Stands in for a server while services are added to it, and wraps their handlers.

    Once for each method, and not by an interceptor, which would wrap the same handler again for each call.
    """

    def __init__(self, server: grpc.aio.Server, layers: Sequence[Layer], gate: Gate | None = None) -> None:
        self._server = server
        self._layers = tuple(layers)
        self._gate = gate

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds the handlers of a service, wrapped. Called by generated code."""
        wrapped = tuple(_LayeredHandlers(handler, self._layers, self._gate) for handler in handlers)
        self._server.add_generic_rpc_handlers(wrapped)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Any) -> None:
        """Does nothing, as in grpc.aio's own server: generated code gives the same handlers twice."""


class _LayeredHandlers(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]  # stubs differ by version
    """Finds the handler of a method; makes its wrapper at the first call."""

    def __init__(self, inner: grpc.GenericRpcHandler, layers: tuple[Layer, ...], gate: Gate | None) -> None:
        self._inner = inner
        self._layers = layers
        self._gate = gate
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = self._inner.service(details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = _wrap(handler, method, self._layers)
        refusal = self._gate(method) if self._gate is not None else None
        return wrapped if refusal is None else _refuse(refusal)


class UnknownMethods(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]  # stubs differ by version
    """Refuses whatever method no handler before it has; gRPC's own words for that name no reason."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return _refuse(
            DocuQueryError(
                reasons.ERROR_REASON_NOT_SUPPORTED,
                f"This server has no method {details.method[:200]}. Check the name, and whether the client's "
                "contract is newer than this server.",
            )
        )


def _wrap(handler: Any, method: str, layers: tuple[Layer, ...]) -> grpc.RpcMethodHandler[Any, Any]:
    deserialize = handler.request_deserializer
    request_streaming, response_streaming = handler.request_streaming, handler.response_streaming

    def incoming(context: Context, respond: Layer) -> IncomingCall:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        return IncomingCall(
            method, metadata, context, request_streaming, response_streaming, inward=(*layers, respond)
        )

    def read(raw: Any, call: IncomingCall) -> Any:
        return _messages(deserialize, raw, call) if request_streaming else _parse(deserialize, raw)

    if response_streaming:
        inner = handler.stream_stream if request_streaming else handler.unary_stream
        writes = inspect.iscoroutinefunction(inner)

        async def streaming(raw: Any, context: Context) -> None:
            async def respond(call: IncomingCall) -> None:
                if writes:
                    await inner(read(raw, call), context)
                    return
                async with aclosing(inner(read(raw, call), context)) as responses:
                    async for response in responses:
                        try:
                            async with asyncio.timeout(call.reading_seconds):
                                await context.write(response)
                        except TimeoutError:
                            raise _unread(call) from None
                        except grpc.aio.InternalError:
                            call.status = "CANCELLED"  # the connection has gone, and the caller with it
                            return

            await incoming(context, respond).proceed()

        make = (
            grpc.stream_stream_rpc_method_handler
            if request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(streaming, None, handler.response_serializer)

    inner = handler.stream_unary if request_streaming else handler.unary_unary

    async def single(raw: Any, context: Context) -> Any:
        async def respond(call: IncomingCall) -> None:
            call.response = await inner(read(raw, call), context)

        call = incoming(context, respond)
        await call.proceed()
        return call.response

    make = grpc.stream_unary_rpc_method_handler if request_streaming else grpc.unary_unary_rpc_method_handler
    return make(single, None, handler.response_serializer)


def _unread(call: IncomingCall) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        f"The responses were not read for {call.reading_seconds:.0f} s. Read them while you send.",
    )


def _refuse(error: DocuQueryError) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that ends the call with `error`; of a kind that reads no request."""

    async def refuse(_requests: object, context: Context) -> None:
        metadata = dict(context.invocation_metadata())
        await abort(context, error, request_id_from(metadata))

    return grpc.stream_stream_rpc_method_handler(refuse)


def _parse(deserializer: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return deserializer(raw)
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise DocuQueryError(
            reasons.ERROR_REASON_INVALID_REQUEST,
            "The request is not a valid protobuf message of this method: text fields must be UTF-8, "
            "and the message must be made from this server's contract.",
        ) from error


async def _messages(
    deserializer: Callable[[bytes], Any], raw: AsyncIterator[bytes], call: IncomingCall
) -> AsyncIterator[Any]:
    async for item in raw:
        if call.on_request is not None:
            call.on_request()
        yield _parse(deserializer, item)
