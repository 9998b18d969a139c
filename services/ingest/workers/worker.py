"""The service's end of one worker process: it gives the process a document and waits for what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from typing import Any

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError

log = structlog.get_logger()


class WorkerDiedError(Exception):
    """The worker's socket closed. `started`: whether it had begun with the job."""

    def __init__(self, *, started: bool) -> None:
        super().__init__()
        self.started = started


@dataclass(slots=True, eq=False)
class Worker:
    """A process that runs `worker_process.main`; see there for what is said."""

    process: ForkServerProcess
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    jobs: int = 0
    """Documents given to it so far."""

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.is_alive()

    async def receive(self, *, started: bool) -> dict[str, Any]:
        """The next message. Raises WorkerDiedError."""
        try:
            line = await self.reader.readline()
        except (ConnectionError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            raise WorkerDiedError(started=started)
        message: dict[str, Any] = json.loads(line)
        return message

    async def serve(self, job: dict[str, str], limit_seconds: float) -> dict[str, Any]:
        """Gives it `job` and waits for the end: a message `done` or `failed`.

        Raises WorkerDiedError; DocuQueryError PARSE_TIMEOUT, after which it is to be killed.
        """
        self.jobs += 1
        self.writer.write(json.dumps(job).encode() + b"\n")
        await self.receive(started=False)
        try:
            async with asyncio.timeout(limit_seconds):
                return await self.receive(started=True)
        except TimeoutError:
            log.warning("parse_timeout", limit_seconds=limit_seconds)
            raise DocuQueryError(
                reasons.ERROR_REASON_PARSE_TIMEOUT,
                f"Reading the document took longer than {limit_seconds:g} seconds. "
                "Split or simplify it, then upload it again.",
                metadata={"limit_seconds": f"{limit_seconds:g}"},
            ) from None

    def kill(self) -> None:
        """Ends the process at once, whatever it does."""
        self.writer.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
