"""More log lines for a while, in one process, without a restart: SIGUSR1 begins it, SIGUSR2 ends it.

Signals, because they reach exactly the process that is looked at (a call through a balancer reaches some
replica) and need no door of their own: whoever may send them may do anything to the process. It ends by
itself, so that a debugging session that was forgotten does not fill a disk.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from libs.logging import set_level

log = structlog.get_logger()

_DEBUG = "DEBUG"


class DebugLog:
    """Switches between `usual` (a level's name) and DEBUG; belongs to the running event loop."""

    def __init__(self, usual: str, seconds: float) -> None:
        self._usual = usual
        self._seconds = seconds
        self._end: asyncio.TimerHandle | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the two signals inside the block."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.begin)
        loop.add_signal_handler(signal.SIGUSR2, self.end)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)
            loop.remove_signal_handler(signal.SIGUSR2)
            if self._end is not None:
                self._end.cancel()

    def begin(self) -> None:
        """DEBUG from now on, for the time that is set; begun again, it lasts as long from then on."""
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(self._seconds, self.end)
        set_level(_DEBUG)
        log.warning("log_level", level=_DEBUG, seconds=self._seconds)

    def end(self) -> None:
        """The usual level."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        log.warning("log_level", level=self._usual)
        set_level(self._usual)
