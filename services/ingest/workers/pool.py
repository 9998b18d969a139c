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
import multiprocessing
import socket
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError, reason_from_name
from libs.rpc.context import current_call_or_none
from services.ingest.model import DocumentType
from services.ingest.spool.parsed_file import ParsedSummary
from services.ingest.telemetry import REPLACED, stages, worker_stages
from services.ingest.workers import worker_process
from services.ingest.workers.fair_queue import FairQueue
from services.ingest.workers.worker import Worker, WorkerDiedError
from services.ingest.workers.worker_process import ReadFunction, WorkerLimits

log = structlog.get_logger()

_START_SECONDS = 30.0
"""How long a worker may take to come up; the first one waits for the fork server to load the parsers."""
_JOIN_SECONDS = 5.0
_RESTART_PAUSE_SECONDS = 1.0
_MAX_TRIES = 3
"""Workers a job is offered to when they die before they begin with it."""
_FORK_TRIES = 5
"""Times a worker is asked of the fork server, which may have been killed."""
_FORK_PAUSE_SECONDS = 0.1
_MAX_LINE_BYTES = 256 * 1024


class WorkerPool:
    """Reads documents in `workers` processes, which tenants get in turn (see `FairQueue`).

    `read_document` must be a function of a module, so that a process can import it. A worker is replaced
    after `max_documents` documents, after running out of memory, and whenever it was killed or died.
    A document whose worker died is read once more, in a process made for it, by `read_again` (by default
    the same function).
    """

    def __init__(
        self,
        read_document: ReadFunction,
        limits: WorkerLimits,
        *,
        workers: int,
        max_documents: int,
        clock: Clock,
        read_again: ReadFunction | None = None,
    ) -> None:
        self._read_document = read_document
        self._read_again = read_again or read_document
        self._limits = limits
        self._count = workers
        self._max_documents = max_documents
        self._clock = clock
        self._context = multiprocessing.get_context("forkserver")
        self._idle: FairQueue[Worker] = FairQueue()
        self._all: set[Worker] = set()
        self._starting = asyncio.Lock()
        self._background: set[asyncio.Task[Any]] = set()
        """Workers being started."""
        self._closed = False

    async def __aenter__(self) -> WorkerPool:
        """Starts every worker. Raises OSError when one does not come up."""
        self._context.set_forkserver_preload([worker_process.__name__])
        try:
            for _ in range(self._count):
                self._idle.put(await self._start(self._read_document))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def parse(self, upload: Path, kind: DocumentType, password: str = "") -> ParsedSummary:
        """Reads the upload at `upload`; `parsed_file` finds text and chunks beside it afterwards.

        Waits for the turn of the current call's tenant without a limit; the time limit runs from when a
        worker begins. Cancelling ends the worker's work at once.
        Raises DocuQueryError: what the parsers raise, PARSE_TIMEOUT, PARSE_LIMIT_EXCEEDED, PARSER_CRASHED
        when two processes died of the document, SERVICE_UNAVAILABLE when they die by themselves, INTERNAL
        when a parser has a fault.
        """
        job = {"path": str(upload), "type": kind.value, "password": password}
        call = current_call_or_none()
        tenant = call.identity.tenant if call is not None else ""
        for _ in range(_MAX_TRIES):
            with stages("wait"):
                worker = await self._idle.get(tenant)
            usable = False
            try:
                if not worker.alive:
                    continue
                reply = await worker.serve(job, self._limits.parse_seconds)
                usable = _reusable(reply)
            except WorkerDiedError as death:
                if not death.started:
                    continue
                await _log_crash(worker, upload, again=False)
                reply = await self._parse_again(upload, job)
            finally:
                self._release(worker, usable=usable)
            return _result(reply, upload)
        raise _workers_keep_dying()

    async def _parse_again(self, upload: Path, job: dict[str, str]) -> dict[str, Any]:
        """Reads a document again whose worker died of it, or of what earlier ones had left in its memory.

        Takes the dead worker's place, so there are never more processes at work than workers.
        """
        starting = asyncio.create_task(self._start(self._read_again))
        self._background.add(starting)
        starting.add_done_callback(self._background.discard)
        try:
            worker = await asyncio.shield(starting)
        except OSError as error:
            log.error("worker_start_failed", error=str(error))
            raise _workers_keep_dying() from None
        except asyncio.CancelledError:
            # A fork cannot be stopped half way; its process goes as soon as it is there.
            starting.add_done_callback(self._dismiss)
            raise
        try:
            return await worker.serve(job, self._limits.parse_seconds)
        except WorkerDiedError as death:
            await _log_crash(worker, upload, again=True)
            raise (_crashed() if death.started else _workers_keep_dying()) from None
        finally:
            self._dismiss(starting)

    def _dismiss(self, starting: asyncio.Task[Worker]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            worker = starting.result()
            worker.kill()
            self._all.discard(worker)

    @property
    def idle(self) -> int:
        """Workers that wait for a document."""
        return self._idle.free

    @property
    def busy(self) -> int:
        """Workers that read one, or are being replaced."""
        return self._count - self._idle.free

    @property
    def waiting(self) -> int:
        """Documents that wait for a worker."""
        return self._idle.waiting

    async def close(self) -> None:
        """Ends every worker."""
        self._closed = True
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for worker in self._all:
            worker.kill()
        for worker in self._all:
            await asyncio.to_thread(worker.process.join, _JOIN_SECONDS)
        self._all.clear()

    def _release(self, worker: Worker, *, usable: bool) -> None:
        """Puts `worker` back, or another one in its place."""
        if usable and worker.jobs < self._max_documents and not self._closed:
            self._idle.put(worker)
            return
        if not self._closed:
            REPLACED.add("retired" if usable else "killed" if worker.alive else "died")
        worker.kill()
        if not self._closed:
            task = asyncio.create_task(self._replace(worker))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _replace(self, worker: Worker) -> None:
        await asyncio.to_thread(worker.process.join, _JOIN_SECONDS)
        self._all.discard(worker)
        while True:
            try:
                self._idle.put(await self._start(self._read_document))
                return
            except OSError as error:
                # The machine is short of something; documents wait meanwhile.
                log.error("worker_start_failed", error=str(error))
                await self._clock.sleep(_RESTART_PAUSE_SECONDS)

    async def _start(self, read_document: ReadFunction) -> Worker:
        """A new worker that has said it is ready. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            process = await self._fork(theirs, read_document)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours, limit=_MAX_LINE_BYTES)
        worker = Worker(process, reader, writer)
        self._all.add(worker)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker.receive(started=False)
        except (TimeoutError, WorkerDiedError):
            worker.kill()
            self._all.discard(worker)
            raise OSError("a parsing process did not come up") from None
        return worker

    async def _fork(self, theirs: socket.socket, read_document: ReadFunction) -> ForkServerProcess:
        """A process that talks by `theirs`. Raises OSError."""
        for _ in range(_FORK_TRIES):
            process = self._context.Process(
                target=worker_process.main, args=(theirs, read_document, self._limits), daemon=True
            )
            try:
                # One at a time: the fork server's client is not made for threads.
                async with self._starting:
                    await asyncio.to_thread(process.start)
            except (EOFError, ConnectionError):
                # The next start brings up another, once the system has told that this one is dead.
                log.warning("fork_server_gone")
                await asyncio.sleep(_FORK_PAUSE_SECONDS)
            else:
                return process
        raise OSError("the fork server dies as soon as it is started")


async def _log_crash(worker: Worker, upload: Path, *, again: bool) -> None:
    await asyncio.to_thread(worker.process.join, _JOIN_SECONDS)
    log.warning("parser_crashed", upload=upload.name, exit_code=worker.process.exitcode, again=again)


def _reusable(reply: dict[str, Any]) -> bool:
    return bool(reply.get("metadata", {}).get("limit_name") != "memory")


def _crashed() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_PARSER_CRASHED,
        "Two processes died of reading the document: it is damaged in a way that cannot be handled. Open it "
        "in the program it comes from, save it anew or export it as PDF or text, and upload that.",
    )


def _workers_keep_dying() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        "The document could not be read because the parsing processes keep dying. Try again later.",
        metadata={"service": "ingest"},
    )


def _result(reply: dict[str, Any], upload: Path) -> ParsedSummary:
    if reply["event"] == "done":
        worker_stages(reply["seconds"])
        return ParsedSummary(**reply["summary"])
    if "traceback" in reply:
        log.error("parser_fault", upload=upload.name, traceback=reply["traceback"])
        raise DocuQueryError(
            reasons.ERROR_REASON_INTERNAL,
            "The document could not be read because of a fault on our side. Report it with the request id.",
        )
    raise DocuQueryError(reason_from_name(reply["reason"]), reply["message"], metadata=reply["metadata"])
