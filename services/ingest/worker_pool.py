"""A pool of worker processes in which documents are read: each can be timed out, limited, and killed alone.

Why not a ready-made pool. The standard library's breaks whole when one worker dies. Pebble's (5.2) does so
when an idle one dies, hands all results through one pipe behind one lock, and unpickles what workers send.
Here every worker has a socket of its own and answers in JSON: one worker's end, whatever its cause, touches
the one document it was reading.

Workers are forked from a fork server: a process with the parsers loaded but without threads or gRPC.
A replacement for a killed worker is ready in some ten milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import socket
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError, reason_from_name
from services.ingest import worker_process
from services.ingest.document import DocumentType
from services.ingest.parsed_file import ParsedSummary
from services.ingest.worker_process import ReadFunction, WorkerLimits

log = structlog.get_logger()

_START_SECONDS = 30.0
"""How long a worker may take to come up; the first one waits for the fork server to load the parsers."""
_JOIN_SECONDS = 5.0
_RESTART_PAUSE_SECONDS = 1.0
_MAX_TRIES = 3
"""Workers a job is offered to when they die before they begin with it."""
_FORK_TRIES = 3
"""Times a worker is asked of the fork server, which may have been killed."""
_MAX_LINE_BYTES = 256 * 1024


class _WorkerDiedError(Exception):
    """The worker's socket closed. `started`: whether it had begun with the job."""

    def __init__(self, *, started: bool) -> None:
        super().__init__()
        self.started = started


@dataclass(slots=True, eq=False)
class _Worker:
    process: ForkServerProcess
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    jobs: int = 0

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    async def receive(self, *, started: bool) -> dict[str, Any]:
        """The next message. Raises _WorkerDiedError."""
        try:
            line = await self.reader.readline()
        except (ConnectionError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            raise _WorkerDiedError(started=started)
        message: dict[str, Any] = json.loads(line)
        return message

    def kill(self) -> None:
        self.writer.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class WorkerPool:
    """Reads documents in `workers` processes.

    `read_document` must be a function of a module, so that a process can import it. A worker is replaced
    after `max_documents` documents, after running out of memory, and whenever it was killed or died.
    """

    def __init__(
        self,
        read_document: ReadFunction,
        limits: WorkerLimits,
        *,
        workers: int,
        max_documents: int,
        clock: Clock,
    ) -> None:
        self._read_document = read_document
        self._limits = limits
        self._count = workers
        self._max_documents = max_documents
        self._clock = clock
        self._context = multiprocessing.get_context("forkserver")
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._all: set[_Worker] = set()
        self._starting = asyncio.Lock()
        self._replacing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> WorkerPool:
        """Starts every worker. Raises OSError when one does not come up."""
        self._context.set_forkserver_preload([worker_process.__name__])
        try:
            for _ in range(self._count):
                self._idle.put_nowait(await self._start())
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def parse(self, upload: Path, kind: DocumentType, password: str = "") -> ParsedSummary:
        """Reads the upload at `upload`; `parsed_file` finds text and chunks beside it afterwards.

        Waits for a free worker without a limit; the time limit runs from when one begins. Cancelling ends
        the worker's work at once.
        Raises DocuQueryError: what the parsers raise, PARSE_TIMEOUT, PARSE_LIMIT_EXCEEDED, PARSER_CRASHED,
        INTERNAL when a parser has a fault.
        """
        job = {"path": str(upload), "type": kind.value, "password": password}
        for _ in range(_MAX_TRIES):
            worker = await self._idle.get()
            usable = False
            try:
                if not worker.alive:
                    continue
                reply = await self._converse(worker, job)
                usable = reply.get("metadata", {}).get("limit_name") != "memory"
            except _WorkerDiedError as death:
                if not death.started:
                    continue
                raise await self._crashed(worker) from None
            finally:
                self._release(worker, usable=usable)
            return _result(reply, upload)
        raise DocuQueryError(
            reasons.ERROR_REASON_PARSER_CRASHED,
            "The document could not be read because the parsing processes keep dying. Try again later.",
        )

    async def close(self) -> None:
        """Ends every worker."""
        self._closed = True
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        for worker in self._all:
            worker.kill()
        for worker in self._all:
            await asyncio.to_thread(worker.process.join, _JOIN_SECONDS)
        self._all.clear()

    async def _converse(self, worker: _Worker, job: dict[str, str]) -> dict[str, Any]:
        """Gives `job` to `worker`, waits for its end. Raises _WorkerDiedError, or PARSE_TIMEOUT."""
        worker.jobs += 1
        worker.writer.write(json.dumps(job).encode() + b"\n")
        await worker.receive(started=False)
        try:
            async with asyncio.timeout(self._limits.parse_seconds):
                return await worker.receive(started=True)
        except TimeoutError:
            log.warning("parse_timeout", limit_seconds=self._limits.parse_seconds)
            raise DocuQueryError(
                reasons.ERROR_REASON_PARSE_TIMEOUT,
                f"Reading the document took longer than {self._limits.parse_seconds:g} seconds. "
                "Split or simplify it, then upload it again.",
                metadata={"limit_seconds": f"{self._limits.parse_seconds:g}"},
            ) from None

    async def _crashed(self, worker: _Worker) -> DocuQueryError:
        await asyncio.to_thread(worker.process.join, _JOIN_SECONDS)
        log.warning("parser_crashed", exit_code=worker.process.exitcode)
        return DocuQueryError(
            reasons.ERROR_REASON_PARSER_CRASHED,
            "The process that read the document died. Upload it once more; if that fails too, the file is "
            "damaged in a way that cannot be handled.",
        )

    def _release(self, worker: _Worker, *, usable: bool) -> None:
        """Puts `worker` back, or another one in its place."""
        if usable and worker.jobs < self._max_documents and not self._closed:
            self._idle.put_nowait(worker)
            return
        worker.kill()
        if not self._closed:
            task = asyncio.create_task(self._replace(worker))
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)

    async def _replace(self, worker: _Worker) -> None:
        await asyncio.to_thread(worker.process.join, _JOIN_SECONDS)
        self._all.discard(worker)
        while True:
            try:
                self._idle.put_nowait(await self._start())
                return
            except OSError as error:
                # The machine is short of something; documents wait meanwhile.
                log.error("worker_start_failed", error=str(error))
                await self._clock.sleep(_RESTART_PAUSE_SECONDS)

    async def _start(self) -> _Worker:
        """A new worker that has said it is ready. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            process = await self._fork(theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours, limit=_MAX_LINE_BYTES)
        worker = _Worker(process, reader, writer)
        self._all.add(worker)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker.receive(started=False)
        except (TimeoutError, _WorkerDiedError):
            worker.kill()
            self._all.discard(worker)
            raise OSError("a parsing process did not come up") from None
        return worker

    async def _fork(self, theirs: socket.socket) -> ForkServerProcess:
        """A process that talks by `theirs`. Raises OSError."""
        for _ in range(_FORK_TRIES):
            process = self._context.Process(
                target=worker_process.main, args=(theirs, self._read_document, self._limits), daemon=True
            )
            try:
                # One at a time: the fork server's client is not made for threads.
                async with self._starting:
                    await asyncio.to_thread(process.start)
            except (EOFError, ConnectionError):
                log.warning("fork_server_gone")  # the next start brings up another
            else:
                return process
        raise OSError("the fork server dies as soon as it is started")


def _result(reply: dict[str, Any], upload: Path) -> ParsedSummary:
    if reply["event"] == "done":
        return ParsedSummary(**reply["summary"])
    if "traceback" in reply:
        log.error("parser_fault", upload=upload.name, traceback=reply["traceback"])
        raise DocuQueryError(
            reasons.ERROR_REASON_INTERNAL,
            "The document could not be read because of a fault on our side. Report it with the request id.",
        )
    raise DocuQueryError(reason_from_name(reply["reason"]), reply["message"], metadata=reply["metadata"])
