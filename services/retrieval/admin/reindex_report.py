"""What `docuquery admin reindex` says: sentences and a progress line, or a line of JSON for each event."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, Protocol

from libs.clock import Clock
from services.retrieval.admin.console import note, say
from services.retrieval.store.progress import FillProgress
from services.retrieval.store.spaces import VectorSpace

# On a terminal a line is drawn over; a log keeps them, so it gets fewer.
_EVERY_SECONDS_TERMINAL = 0.5
_EVERY_SECONDS_LOG = 10.0
_EVERY_SECONDS_JSON = 1.0


class Report(Protocol):
    """Hears what the command does."""

    def started(self, former: VectorSpace, wanted: VectorSpace) -> None:
        """The work begins, or is gone on with."""
        ...

    def progress(self, progress: FillProgress, *, at_once: bool = False) -> None:
        """How far it is; told now and then, unless `at_once`."""
        ...

    def waits(self, why: str) -> None:
        """Nothing goes on for a while."""
        ...

    def switched(self, former: VectorSpace, wanted: VectorSpace, *, keeps_former: bool) -> None:
        """The new vectors are the current ones."""
        ...

    def is_current(self, space: VectorSpace) -> None:
        """There was nothing to do."""
        ...

    def finished(self, space: VectorSpace) -> None:
        """The former vectors are deleted."""
        ...


class Sentences:
    """Implements `Report` for people: results to standard output, the rest to standard error."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = clock.monotonic()
        self._is_drawn = False

    def started(self, former: VectorSpace, wanted: VectorSpace) -> None:
        note(f"Embedding anew: from {former} to {wanted}.")

    def progress(self, progress: FillProgress, *, at_once: bool = False) -> None:
        now = self._clock.monotonic()
        on_terminal = sys.stderr.isatty()
        every = _EVERY_SECONDS_TERMINAL if on_terminal else _EVERY_SECONDS_LOG
        if not at_once and now < self._told + every:
            return
        self._told = now
        self._is_drawn = on_terminal
        line = progress_line(progress)
        sys.stderr.write(f"\r\x1b[K{line}" if on_terminal else f"{line}\n")
        sys.stderr.flush()

    def waits(self, why: str) -> None:
        self._clear()
        note(why)

    def switched(self, former: VectorSpace, wanted: VectorSpace, *, keeps_former: bool) -> None:
        self._clear()
        say(f"Switched over: the store is searched by {wanted} now.")
        if keeps_former:
            say(
                "Restart the retrieval processes one after the other with these settings. Those that still "
                f"run with the former ones search by {former}; when none does any more, run `docuquery admin "
                "reindex --finish`, which deletes those vectors."
            )

    def is_current(self, space: VectorSpace) -> None:
        say(f"The store is by {space} already.")

    def finished(self, space: VectorSpace) -> None:
        self._clear()
        say(f"The store is by {space} alone.")

    def _clear(self) -> None:
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            self._is_drawn = False


class JsonLines:
    """Implements `Report` for programs: one object a line on standard output, `event` says what it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = clock.monotonic() - _EVERY_SECONDS_JSON

    def started(self, former: VectorSpace, wanted: VectorSpace) -> None:
        _print("started", former=asdict(former), wanted=asdict(wanted))

    def progress(self, progress: FillProgress, *, at_once: bool = False) -> None:
        now = self._clock.monotonic()
        if at_once or now >= self._told + _EVERY_SECONDS_JSON:
            self._told = now
            _print("progress", **asdict(progress), seconds_left=progress.seconds_left)

    def waits(self, why: str) -> None:
        _print("waiting", why=why)

    def switched(self, former: VectorSpace, wanted: VectorSpace, *, keeps_former: bool) -> None:
        _print("switched", former=asdict(former), wanted=asdict(wanted), keeps_former=keeps_former)

    def is_current(self, space: VectorSpace) -> None:
        _print("nothing_to_do", space=asdict(space))

    def finished(self, space: VectorSpace) -> None:
        _print("finished", space=asdict(space))


def progress_line(progress: FillProgress) -> str:
    """For example `  1,200 of 3,000 documents, 41,200 of 100,000 chunks, 3,400/s, 17 s left`."""
    left = progress.seconds_left
    rate = f", {progress.chunks_per_second:,.0f}/s" if progress.chunks_per_second else ""
    return (
        f"  {progress.documents:,} of {progress.document_count:,} documents, {progress.chunks:,} of "
        f"{progress.chunk_count:,} chunks{rate}" + ("" if left is None else f", {left:,.0f} s left")
    )


def _print(event: str, **values: Any) -> None:
    say(json.dumps({"event": event, **values}))
