"""Wraps every call of every kind in the same layers.

A layer is an async context manager around the handler. The order of the layers is decided in one
place, `server.LAYERS`, with the reason for each position.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.context import Identity
from libs.rpc.deadlines import Deadline

# Served by gRPC's own servicers, whose `Watch` is a coroutine behind a streaming method: never wrapped.
_UNTOUCHED = ("/grpc.health.", "/grpc.reflection.", "/grpc.channelz.")

Context = Any  # grpc.aio.ServicerContext: generic in the types of each method
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


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


Layer = Callable[[IncomingCall], AbstractAsyncContextManager[None]]


def _parse(deserializer: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return deserializer(raw)
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise DocuQueryError(
            reasons.ERROR_REASON_INVALID_REQUEST,
            "The request is not a valid protobuf message of this method: text fields must be UTF-8, "
            "and the message must be made from this server's contract.",
        ) from error


class LayeredInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc,type-arg,unused-ignore]  # stubs differ by version
    """Runs every handler inside all layers, the first one outermost."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Replaces the method's handler by a wrapped one of the same kind."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_UNTOUCHED):
            return handler
        metadata = {
            key: value for key, value in handler_call_details.invocation_metadata if isinstance(value, str)
        }
        return _wrap(handler, method, metadata, self._layers)


def _wrap(handler: Any, method: str, metadata: dict[str, str], layers: tuple[Layer, ...]) -> Any:
    deserialize = handler.request_deserializer

    async def enter(stack: AsyncExitStack, context: Context) -> None:
        call = IncomingCall(method, metadata, context, handler.request_streaming, handler.response_streaming)
        for layer in layers:
            await stack.enter_async_context(layer(call))

    def read(raw: Any) -> Any:
        if not handler.request_streaming:
            return _parse(deserialize, raw)

        async def messages() -> AsyncIterator[Any]:
            async for item in raw:
                yield _parse(deserialize, item)

        return messages()

    if handler.response_streaming:
        inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

        async def streaming(raw: Any, context: Context) -> AsyncIterator[Any]:
            async with AsyncExitStack() as stack:
                await enter(stack, context)
                async with aclosing(inner(read(raw), context)) as responses:
                    async for response in responses:
                        yield response

        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(streaming, None, handler.response_serializer)

    inner = handler.stream_unary if handler.request_streaming else handler.unary_unary

    async def single(raw: Any, context: Context) -> Any:
        async with AsyncExitStack() as stack:
            await enter(stack, context)
            return await inner(read(raw), context)

    make = (
        grpc.stream_unary_rpc_method_handler
        if handler.request_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    return make(single, None, handler.response_serializer)
