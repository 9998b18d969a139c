"""A parser that misbehaves on request, for tests of the worker pool.

A module of its own with few imports: every worker process of those tests loads it.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from services.ingest import parsers
from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.limits import ParseLimits


def misbehaving_read(path: Path, kind: DocumentType, password: str, limits: ParseLimits) -> ParsedDocument:
    """Does what the document tells it to; reads every other one."""
    match path.read_bytes()[:40].split(b"\n")[0].split():
        case [b"SLEEP", seconds]:
            time.sleep(float(seconds))
        case [b"SPIN"]:
            while True:
                pass
        case [b"EAT"]:
            eaten = []
            while True:
                eaten.append(bytes(64 * 1024 * 1024))
        case [b"DIE"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case [b"DIE-ONCE"]:
            mark = path.with_name(path.name + ".died")
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGSEGV)
            mark.unlink()
        case [b"BUG"]:
            raise ZeroDivisionError("a secret internal detail")
        case [b"NEST"]:
            misbehaving_read(path, kind, password, limits)
    return parsers.read(path, kind, password, limits)


def dying_of_pdf(path: Path, kind: DocumentType, password: str, limits: ParseLimits) -> ParsedDocument:
    """What PDFium could do to its process."""
    if kind is DocumentType.PDF:
        os.kill(os.getpid(), signal.SIGSEGV)
    return parsers.read(path, kind, password, limits)
