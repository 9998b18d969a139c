"""One upload stream: files read lazily in pieces, with flow control, each acknowledged by itself."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import closing, suppress
from io import FileIO
from pathlib import Path
from typing import TypeAlias

import grpc

from docuquery.common.v1.document_pb2 import DocumentError
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadProgress
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentsRequest, UploadDocumentsResponse
from docuquery_client.errors import ApiError
from docuquery_client.final_status import FinalStatus
from docuquery_client.upload_files import UploadEvent, UploadFile

PIECE_BYTES = 256 * 1024
"""Bytes read and sent at once: large enough that a message's cost (0.1 ms) vanishes, small enough that
memory and cancellation do not notice. The contract allows 1 MiB."""

DEFAULT_IN_FLIGHT = 8
"""Documents sent but not yet finally acknowledged. Keeps the parsers busy while bytes travel."""

DEFAULT_IDLE_TIMEOUT_SECONDS = 300.0
"""Longer than one document may take to be parsed and indexed."""

# Never the checksum of anything sent: makes the server drop a document whose file broke off half way.
_ABANDONED_SHA256 = "0" * 64


SentCallback: TypeAlias = Callable[[UploadFile, int], None]
"""Told the file and the size in bytes of each piece sent."""


class _Pieces:
    """A file read piece by piece, hashed on the way.

    `open` and `next` block: call them in a thread. A cancelled upload calls `close` while such a thread
    may still be at work, so each waits for the other and none opens what was closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._closed = False
        self._sha256 = hashlib.sha256()
        self._lock = threading.Lock()

    def open(self) -> tuple[int, bytes]:
        """Opens the file; returns its size in bytes and its first piece. Raises OSError."""
        # Opening a pipe would wait for its writer, reading a device might never end.
        if not stat.S_ISREG(self._path.stat().st_mode):
            raise OSError("not a regular file")
        with self._lock:
            if self._closed:
                return 0, b""
            self._file = FileIO(self._path)
            size_bytes = os.fstat(self._file.fileno()).st_size
        return size_bytes, self.next()

    def next(self) -> bytes:
        """The next piece; empty at the end of the file. Raises OSError."""
        with self._lock:
            piece = b"" if self._file is None or self._closed else self._file.read(PIECE_BYTES)
            self._sha256.update(piece)
            return piece

    def digest(self) -> str:
        """SHA-256 of everything read, lower-case hex."""
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Closes the file, after the piece being read; what is called later does nothing."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()


_Call: TypeAlias = grpc.aio.StreamStreamCall[UploadDocumentsRequest, UploadDocumentsResponse]


class UploadStream:
    """Sends files over one call and matches its acknowledgements to them. Used once."""

    def __init__(
        self,
        files: Iterable[UploadFile],
        *,
        max_in_flight: int,
        idle_timeout_seconds: float,
        on_sent: SentCallback | None,
    ) -> None:
        if max_in_flight < 1:
            raise ValueError("max_in_flight must be at least 1")
        self._files = files
        self._room = asyncio.Semaphore(max_in_flight)
        self._idle_timeout_seconds = idle_timeout_seconds
        self._on_sent = on_sent
        self._open: dict[str, UploadFile] = {}
        self._unreadable: dict[str, OSError] = {}
        self._local_events: list[UploadEvent] = []
        self._last_activity = 0.0

    async def run(self, call: _Call, request_id: str) -> AsyncGenerator[UploadEvent, None]:
        """Sends everything over `call`, yielding what happens; ends when every file has its last event.

        Raises AioRpcError when the call fails, ApiError when it stalls or ends too early.
        """
        final_status = FinalStatus(call)
        sender = asyncio.create_task(self._send_all(call))
        # A fault of the caller's own (its iterable, its callback) must not leave us waiting for replies.
        sender.add_done_callback(lambda task: call.cancel() if _fault(task) else None)
        try:
            # By the iterator: `call.read` drops what has arrived once the call's status has.
            responses = call.__aiter__()
            while (response := await self._next(responses, request_id)) is not None:
                for event in (*self._take_local_events(), *self._accept(response)):
                    yield event
            await sender
            for event in self._take_local_events():
                yield event
        except grpc.aio.AioRpcError as error:
            raise await final_status.behind(error) from error
        except asyncio.CancelledError:
            if (fault := _fault(sender)) is not None:
                raise fault from None
            raise
        finally:
            call.cancel()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        if self._open:
            raise ApiError(
                grpc.StatusCode.ABORTED,
                "UPLOAD_INCOMPLETE",
                f"The server ended the stream without a word on {len(self._open)} documents. Send them again",
                request_id=request_id,
            )

    # --- receiving ---

    async def _next(
        self, responses: AsyncIterator[UploadDocumentsResponse], request_id: str
    ) -> UploadDocumentsResponse | None:
        """The next acknowledgement; None at the end of the stream."""
        loop = asyncio.get_running_loop()
        self._last_activity = loop.time()
        reading = asyncio.ensure_future(anext(responses, None))
        try:
            while not reading.done():
                left = self._last_activity + self._idle_timeout_seconds - loop.time()
                if left <= 0:
                    raise ApiError(
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        grpc.StatusCode.DEADLINE_EXCEEDED.name,
                        f"The upload made no progress for {self._idle_timeout_seconds:g} s",
                        request_id=request_id,
                    )
                await asyncio.wait({reading}, timeout=left)
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        return reading.result()

    def _accept(self, response: UploadDocumentsResponse) -> list[UploadEvent]:
        file = self._open.get(response.upload_id)
        if file is None:
            return []  # already failed: later words on it say nothing new
        event = UploadEvent(file, response.progress, response.document_id)
        if event.finished:
            error = self._unreadable.pop(response.upload_id, None)
            if error is not None:
                event = _unreadable(file, error)
            del self._open[response.upload_id]
            self._room.release()
        return [event]

    def _take_local_events(self) -> list[UploadEvent]:
        events, self._local_events = self._local_events, []
        return events

    # --- sending ---

    async def _send_all(self, call: _Call) -> None:
        # The call's end is reported by the reading side, with its status; writing need not repeat it.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for number, file in enumerate(self._files, start=1):
                await self._room.acquire()
                await self._send(call, str(number), file)
            await call.done_writing()

    async def _send(self, call: _Call, upload_id: str, file: UploadFile) -> None:
        with closing(_Pieces(file.path)) as pieces:
            try:
                size_bytes, piece = await asyncio.to_thread(pieces.open)
            except OSError as error:
                self._local_events.append(_unreadable(file, error))
                self._room.release()
                return
            self._open[upload_id] = file
            header = file.header(size_bytes)
            await self._write(call, UploadDocumentsRequest(upload_id=upload_id, header=header))
            footer = UploadFooter(sha256=await self._send_pieces(call, upload_id, file, pieces, piece))
            # Sent even after a refusal: the footer ends the document whatever became of it.
            await self._write(call, UploadDocumentsRequest(upload_id=upload_id, footer=footer))

    async def _send_pieces(
        self, call: _Call, upload_id: str, file: UploadFile, pieces: _Pieces, piece: bytes
    ) -> str:
        """Sends `piece` and those after it while the server wants them; returns the footer's checksum."""
        try:
            while upload_id in self._open and piece:
                await self._write(call, UploadDocumentsRequest(upload_id=upload_id, data=piece))
                if self._on_sent is not None:
                    self._on_sent(file, len(piece))
                # A file gives less than was asked for at its end only: a small one is one trip to a thread.
                is_last = len(piece) < PIECE_BYTES
                piece = b"" if is_last else await asyncio.to_thread(pieces.next)
        except OSError as error:
            self._unreadable[upload_id] = error
            return _ABANDONED_SHA256
        return pieces.digest()

    async def _write(self, call: _Call, message: UploadDocumentsRequest) -> None:
        await call.write(message)  # waits while flow control holds it back
        self._last_activity = asyncio.get_running_loop().time()


def _unreadable(file: UploadFile, error: OSError) -> UploadEvent:
    text = f"{error.strerror or error}."
    failed = DocumentError(message=f"The file cannot be read: {text}")
    return UploadEvent(file, UploadProgress(failed=failed), read_error=error)


def _fault(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
