"""The usage log: a file that only grows, one line an attempt, put aside when it is large."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from services.answer.usage.record import UsageRecord, to_line

log = structlog.get_logger()

_PRIVATE = 0o600


class UsageSink(Protocol):
    """Takes what attempts took."""

    def record(self, record: UsageRecord) -> None:
        """Takes note of one attempt; never raises, because an answer does not hang on it."""
        ...


class NoUsageLog:
    """Writes nothing."""

    def record(self, record: UsageRecord) -> None:
        """See UsageSink.record."""


class UsageLogFile:
    """Appends to `path`; several processes may share it.

    When the file has `rotate_bytes` or more it is renamed to `<path>.<time>`, and a new one begins. The
    file is opened for each line, so a tool such as logrotate may move it at any time.
    """

    def __init__(self, path: Path, *, rotate_bytes: int) -> None:
        """Makes the file. Raises ValueError when that cannot be done."""
        self._path = path
        self._rotate_bytes = rotate_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(self._open())
        except OSError as error:
            raise ValueError(f"USAGE_LOG_FILE: {path} cannot be written: {error.strerror}") from None

    def record(self, record: UsageRecord) -> None:
        """See UsageSink.record."""
        try:
            self._append(to_line(record).encode("ascii"), record.time)
        except OSError as error:
            log.error("usage_log_failed", path=str(self._path), error=error.strerror)

    def _append(self, line: bytes, time: datetime) -> None:
        descriptor = self._open()
        try:
            os.write(descriptor, line)  # with O_APPEND, one write is one line whoever else writes
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size >= self._rotate_bytes:
            self._path.rename(_aside(self._path, time))

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)


def _aside(path: Path, time: datetime) -> Path:
    """A name for a full file that no other has."""
    stem = f"{path.name}.{time:%Y%m%dT%H%M%S}"
    number = 0
    while (target := path.with_name(f"{stem}.{number}" if number else stem)).exists():
        number += 1
    return target


def files_of(path: Path) -> Sequence[Path]:
    """A log's files, oldest first: those put aside, then `path` itself where it is there."""
    rotated = sorted(path.parent.glob(f"{path.name}.*"))
    return [*rotated, *([path] if path.exists() else [])]
