"""What `ingest` shows: a progress bar while it works, then the sums and the failures; and its report."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from docuquery.common.v1.document_pb2 import DocumentType, UploadResult
from docuquery_client.cli.console import clean, one_line
from docuquery_client.cli.ingest_files import Why
from docuquery_client.names import enum_name
from docuquery_client.resume import Pause
from docuquery_client.upload_files import UploadEvent, UploadFile


@dataclass(slots=True)
class Tally:
    """What has become of the files so far."""

    results: Counter[str] = field(default_factory=Counter)
    """How many were `created`, `replaced`, `unchanged`, `metadata_updated`, `skipped`, `failed`."""
    failures: list[UploadEvent] = field(default_factory=list)
    """The last events of those that failed."""
    misnamed: list[UploadEvent] = field(default_factory=list)
    """Those whose content is of another type than their name promises."""
    size_bytes: int = 0
    """Bytes of the files that are done."""

    def add(self, event: UploadEvent, size_bytes: int) -> str:
        """Counts a file's last event; returns what became of it."""
        if event.failed is not None:
            result = "failed"
            self.failures.append(event)
        else:
            result = enum_name(UploadResult, event.progress.done.result).lower()
            self.size_bytes += size_bytes
        if event.misnamed:
            self.misnamed.append(event)
        self.results[result] += 1
        return result

    def summary(self, seconds: float) -> str:
        """One line, like `2 documents: 1 created, 1 failed. 3.0 MB in 2.0 s (1.5 MB/s, 1.0 documents/s)`."""
        total = sum(self.results.values())
        counts = ", ".join(
            f"{count} {result.replace('_', ' ')}" for result, count in sorted(self.results.items())
        )
        speed = self.size_bytes / 1e6 / seconds if seconds > 0 else 0.0
        rate = total / seconds if seconds > 0 else 0.0
        noun = "document" if total == 1 else "documents"
        return (
            f"{total} {noun}: {counts or 'nothing done'}. "
            f"{self.size_bytes / 1e6:.1f} MB in {seconds:.1f} s ({speed:.1f} MB/s, {rate:.1f} documents/s)."
        )


def failure_lines(failures: list[UploadEvent]) -> list[str]:
    """One line for each failed file: path, reason, message."""
    return [
        f"  {clean(str(event.file.path))}: {event.reason}: "
        f"{one_line(event.failed.message if event.failed else '', 500)}"
        for event in failures
    ]


def misnamed_lines(misnamed: list[UploadEvent]) -> list[str]:
    """One line for each file whose content was believed against its name."""
    return [
        f"  {clean(str(event.file.path))}: named like {event.misnamed}, read as "
        f"{enum_name(DocumentType, event.document.type) if event.document else ''}"
        for event in misnamed
    ]


_NAMED = 5
"""So many of those left out for one reason are named."""


def left_out_lines(left_out: Mapping[Why, Sequence[Path]]) -> list[str]:
    """One line for each reason: how many, and the first of them by name."""
    lines = []
    for why, paths in left_out.items():
        names = ", ".join(clean(str(path)) for path in paths[:_NAMED])
        more = f", and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
        lines.append(f"  {len(paths):,} {why}: {names}{more}")
    return lines


_LINE_SECONDS = 10.0
"""Between two lines of progress where there is no terminal: a log shows life and is not filled."""


class ProgressView:
    """Documents, bytes, speed, time left: as a bar on a terminal, elsewhere as a line now and then."""

    def __init__(
        self, console: Console, sizes: Mapping[Path, int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sizes = sizes
        self._total_bytes = sum(sizes.values())
        self._monotonic = monotonic
        self._started = self._last_line = monotonic()
        self._sent: Counter[Path] = Counter()
        self._finished = 0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[documents]}/{task.fields[total_documents]} documents"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(
            "ingest",
            total=self._total_bytes,
            documents=0,
            total_documents=len(sizes),
            note="",
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def sent(self, file: UploadFile, size: int) -> None:
        """Some of a file went out. A file sent again after a break does not count twice."""
        room = self._sizes.get(file.path, 0) - self._sent[file.path]
        self._advance(file.path, min(size, max(0, room)))

    def finished(self, event: UploadEvent) -> None:
        """A file is done or failed; what was not sent of it will not be."""
        self._finished += 1
        path = event.file.path
        self._advance(path, max(0, self._sizes.get(path, 0) - self._sent[path]))
        self._progress.update(self._task, documents=self._finished, note="")
        now = self._monotonic()
        if self._progress.disable and now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            self._progress.console.print(self._line(now - self._started), soft_wrap=True)

    def _line(self, seconds: float) -> str:
        sent = sum(self._sent.values())
        left = seconds * (self._total_bytes - sent) / sent if sent else 0.0
        return (
            f"{self._finished}/{len(self._sizes)} documents ({self._finished / seconds:.1f}/s), "
            f"{sent / 1e6:.1f}/{self._total_bytes / 1e6:.1f} MB ({sent / 1e6 / seconds:.1f} MB/s), "
            f"about {left:.0f} s left"
        )

    def pausing(self, pause: Pause) -> None:
        """Files go out once more; says why, on a terminal in the bar and elsewhere in a line of its own."""
        what = pause.error.reason if pause.error is not None else ", ".join(pause.reasons)
        note = f"{what}: {pause.remaining} to send again in {pause.delay_seconds:.1f} s"
        if self._progress.disable:
            self._progress.console.print(note)
        else:
            self._progress.update(self._task, note=note)

    def _advance(self, path: Path, size: int) -> None:
        self._sent[path] += size
        self._progress.advance(self._task, size)


class ReportFile:
    """One JSON object a line for each file, written as it is finished."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, event: UploadEvent, result: str, size_bytes: int) -> None:
        """Adds a file's last event."""
        document = event.document
        failed = event.failed
        line = {
            "path": str(event.file.path),
            "source": event.file.source,
            "document_id": event.document_id or (document.document_id if document else ""),
            "result": result,
            "reason": event.reason,
            "message": failed.message if failed else "",
            "retryable": failed.retryable if failed else False,
            "metadata": dict(failed.metadata) if failed else {},
            "misnamed": event.misnamed,
            "size_bytes": size_bytes,
            "page_count": document.page_count if document else 0,
            "chunk_count": document.chunk_count if document else 0,
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
