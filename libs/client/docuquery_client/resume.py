"""Uploading that survives a broken stream: what was not acknowledged is sent again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.upload_files import FilePath, UploadEvent, UploadFile, as_upload_files
from docuquery_client.uploads import DEFAULT_IN_FLIGHT, SentCallback

SYSTEM_REASONS = frozenset(
    {
        "CIRCUIT_OPEN",
        "EMBEDDER_UNAVAILABLE",
        "OVERLOADED",
        "RATE_LIMITED",
        "SERVICE_UNAVAILABLE",
        "SHUTTING_DOWN",
        "STORE_UNAVAILABLE",
    }
)
"""Retryable reasons that say nothing against the document: it waits until the system is well again."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on trying. The defaults bridge the restart of a server (about half a minute in all)."""

    max_stalled_rounds: int = 8
    """Rounds in a row in which no document was finished; one that finishes some starts the count again."""
    max_attempts_per_document: int = 3
    """How often a document is sent that fails in a retryable way for a reason of its own (another
    upload took over, for example). Failures for a SYSTEM_REASONS are not counted."""
    first_delay_seconds: float = 0.5
    """Wait before the second round, doubled from round to round."""
    max_delay_seconds: float = 8.0
    """Longest wait, unless the server asks for a longer one."""

    def delay_seconds(self, stalled_rounds: int, asked_seconds: float | None, jitter: float) -> float:
        """Wait before the next round; `jitter` in 0..1 takes up to half of the backoff away."""
        backoff = min(self.first_delay_seconds * 2.0 ** max(0, stalled_rounds - 1), self.max_delay_seconds)
        return max(backoff * (1 - jitter / 2), asked_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class Pause:
    """Between two rounds: what the caller may show while it waits."""

    error: ApiError | None
    """What broke the stream; None when only single documents are tried again."""
    remaining: int
    """Documents that will be sent again."""
    delay_seconds: float
    """How long the wait is."""
    reasons: tuple[str, ...] = ()
    """Why single documents failed, each reason once; empty when only the stream broke."""


async def upload_resuming(
    client: AsyncDocuQuery,
    files: Iterable[FilePath | UploadFile],
    *,
    policy: RetryPolicy | None = None,
    max_in_flight: int = DEFAULT_IN_FLIGHT,
    on_sent: SentCallback | None = None,
    on_pause: Callable[[Pause], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> AsyncGenerator[UploadEvent, None]:
    """`upload_many` that sends unfinished documents again when the stream breaks.

    Sending a document twice is safe: what was indexed meanwhile comes back UNCHANGED. Documents the
    server calls retryable go into the next round too; their failure is yielded when no attempt is left,
    so each file has exactly one finished event. Paths must be distinct.

    Raises ApiError when the stream fails in a way that a repetition cannot mend, when it goes on failing
    for `policy.max_stalled_rounds`, and at once when there is no server to begin with.
    """
    policy = policy or RetryPolicy()
    waiting = _Waiting(as_upload_files(files), policy)
    stalled_rounds = 0
    connected = False

    def sent(file: UploadFile, size: int) -> None:
        nonlocal connected
        connected = True
        if on_sent is not None:
            on_sent(file, size)

    while waiting:
        remaining, error = len(waiting), None
        stream = client.upload_many(waiting.files(), max_in_flight=max_in_flight, on_sent=sent)
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    connected = connected or event.read_error is None
                    if not event.finished or waiting.settles(event):
                        yield event
        except ApiError as broken:
            error = broken
        if not waiting:
            return
        stalled_rounds = 0 if len(waiting) < remaining else stalled_rounds + 1
        if error is not None and not (error.retryable and (connected or error.server_spoke)):
            raise error
        if stalled_rounds >= policy.max_stalled_rounds:
            if error is not None:
                raise error
            for event in waiting.last_failures():
                yield event
            return
        asked = error.retry_after_seconds if error is not None else None
        delay = policy.delay_seconds(stalled_rounds, asked, jitter())
        if on_pause is not None:
            on_pause(Pause(error, len(waiting), delay, waiting.reasons()))
        await sleep(delay)


class _Waiting:
    """The files without a final result, what was last heard of them, and how often they failed."""

    def __init__(self, files: Iterable[UploadFile], policy: RetryPolicy) -> None:
        self._files = {file.path: file for file in files}
        self._failures: dict[Path, UploadEvent] = {}
        self._attempts: Counter[Path] = Counter()
        self._policy = policy

    def __len__(self) -> int:
        return len(self._files)

    def files(self) -> list[UploadFile]:
        """Those files."""
        return list(self._files.values())

    def settles(self, event: UploadEvent) -> bool:
        """Takes a file's finished event; True when it is final, False when the file is tried again."""
        path, failed = event.file.path, event.failed
        if failed is not None and failed.retryable:
            self._failures[path] = event
            self._attempts[path] += event.reason not in SYSTEM_REASONS
            if self._attempts[path] < self._policy.max_attempts_per_document:
                return False
        del self._files[path]
        return True

    def reasons(self) -> tuple[str, ...]:
        """Why those failed that did, each reason once."""
        return tuple(sorted({event.reason for event in self.last_failures()}))

    def last_failures(self) -> list[UploadEvent]:
        """The last events of the files that wait, given up on now."""
        return [self._failures[path] for path in self._files if path in self._failures]
