"""The status a server really ended a stream with."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

_MASKING_DETAILS = "Internal error from Core"
_WAIT_SECONDS = 1.0
"""For the real status to follow a masking one; it is under way already."""

T = TypeVar("T")


class FinalStatus:
    """Remembers every status a call was given.

    When a write fails because the server has ended the stream, grpc.aio sets the call's status to
    INTERNAL, before or after the server's own arrives, which is lost in the second case
    (grpc/grpc#36066). A listener that is there from the start sees both.
    """

    def __init__(self, call: grpc.aio.Call) -> None:
        self._real: asyncio.Future[grpc.aio.AioRpcError] = asyncio.get_running_loop().create_future()
        self._call = call
        call.add_done_callback(self._status_set)

    def _status_set(self, _call: object) -> None:
        # The status is there, so none of these coroutines waits.
        error = grpc.aio.AioRpcError(
            _result_of(self._call.code()),
            grpc.aio.Metadata(),
            grpc.aio.Metadata.from_tuple(tuple(_result_of(self._call.trailing_metadata()) or ())),
            _result_of(self._call.details()),
        )
        if not _masks(error) and not self._real.done():
            self._real.set_result(error)

    async def behind(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """The server's own status where `error` masks it, else `error`."""
        if not _masks(error):
            return error
        await asyncio.wait({self._real}, timeout=_WAIT_SECONDS)
        return self._real.result() if self._real.done() else error


def _masks(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.INTERNAL and error.details() == _MASKING_DETAILS


def _result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    coroutine.close()
    raise RuntimeError("a call whose status is set still waits for it")
