"""How this process shares the processors with others. Does nothing where the system is not Linux."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def finish_what_runs() -> None:
    """Lets a thread of this process that runs go on, instead of giving way to each one that wakes up.

    gRPC's threads and Python's wake each other several times a call, and each took the processor from the
    other at once: on busy cores much of the time went into that. Linux's SCHED_BATCH (sched(7)) is for
    it: the share of the processor stays the same, and idle cores are used at once as before. Threads and
    processes started from here on inherit it. Elsewhere, and where a sandbox forbids it, nothing changes.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def stand_back(niceness: int) -> None:
    """Lowers this process's weight. In containers it changes nothing: there CPU requests are the weights."""
    if niceness and sys.platform == "linux":
        os.nice(niceness)
        # Sessions have weights, too (autogroups in sched(7)), and within one's own nothing else runs.
        with suppress(OSError):
            if os.getsid(0) == os.getpid():
                Path("/proc/self/autogroup").write_text(str(niceness))
