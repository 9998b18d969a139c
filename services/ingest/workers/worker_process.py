"""What runs in a worker process: it reads one document at a time and writes what it found beside it.

The conversation with the service is one JSON object a line over a socket pair: `ready` once; then for each
job `started`, and `done` or `failed`. The process ends when the service closes its end.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from services.ingest.chunking.chunking import chunk
from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers import html, markdown, pdf, text
from services.ingest.parsers.errors import ParseError, limit_exceeded, no_text
from services.ingest.parsers.limits import ParseLimits
from services.ingest.spool import parsed_file
from services.ingest.text.language import detect

ReadFunction = Callable[[Path, DocumentType, str, ParseLimits], ParsedDocument]
"""Path, type, password and limits of a document → its text and structure. A module-level function."""

PARSERS = (html, markdown, pdf, text)
"""Imported with this module, so that the fork server holds them before it makes the first worker."""

_CPU_RESERVE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may use, and how it cuts text."""

    memory_bytes: int
    """Address space (RLIMIT_AS), everything included."""
    parse_seconds: float
    """Wall-clock time of one document. The service enforces it; the worker's own CPU limit is a backstop
    for the case that the service has died."""
    chunk_size: int
    """Code points."""
    chunk_overlap: int
    """Code points."""
    parsing: ParseLimits = field(default_factory=ParseLimits)
    """What the parsers accept."""


def main(end: socket.socket, read_document: ReadFunction, limits: WorkerLimits) -> None:
    """Serves jobs from `end` until the service closes it."""
    # Ctrl-C goes to every process of the terminal; only the service decides when a worker stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries complain about damaged files, sometimes quoting them.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    with end, end.makefile("rb") as jobs:
        _send(end, {"event": "ready"})
        for line in jobs:
            _send(end, {"event": "started"})
            _limit_cpu(limits.parse_seconds)
            try:
                reply = _serve(json.loads(line), read_document, limits)
            except MemoryError:
                reply = _failed(_out_of_memory(limits))
            _send(end, reply)


def _send(end: socket.socket, message: dict[str, Any]) -> None:
    try:
        end.sendall(json.dumps(message).encode() + b"\n")
    except (BrokenPipeError, ConnectionResetError):
        # The service is gone, and nobody else wants the result.
        sys.exit(0)


def _serve(job: dict[str, str], read_document: ReadFunction, limits: WorkerLimits) -> dict[str, Any]:
    path = Path(job["path"])
    began = time.perf_counter()
    try:
        document = read_document(path, DocumentType(job["type"]), job["password"], limits.parsing)
        parsed = time.perf_counter()
        chunks = chunk(document, limits.chunk_size, limits.chunk_overlap)
        summary = parsed_file.save(path, document, chunks)
        if summary.chunk_count == 0:
            raise no_text(summary.page_count)
        summary = replace(summary, language=detect(document.text))
    except ParseError as error:
        return _failed(error)
    except MemoryError:
        return _failed(_out_of_memory(limits))
    except RecursionError:
        return _failed(limit_exceeded("nesting", sys.getrecursionlimit(), "Its parts are nested too deeply."))
    except Exception:
        # For the service's log; the caller sees a fixed sentence.
        return {"event": "failed", "reason": "INTERNAL", "traceback": traceback.format_exc()[-4000:]}
    seconds = {"parse": parsed - began, "chunk": time.perf_counter() - parsed}
    return {"event": "done", "summary": asdict(summary), "seconds": seconds}


def _failed(error: ParseError) -> dict[str, Any]:
    return {"event": "failed", "reason": error.reason, "message": error.message, "metadata": error.metadata}


def _out_of_memory(limits: WorkerLimits) -> ParseError:
    return limit_exceeded("memory", limits.memory_bytes, "Reading it takes too much memory.")


def _limit_cpu(seconds: float) -> None:
    """Ends this process when the next job takes far more CPU time than it may take time at all."""
    allowed = time.process_time() + 2 * seconds + _CPU_RESERVE_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(allowed) + 1
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )
