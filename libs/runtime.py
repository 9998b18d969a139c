"""From `python -m services.<name>` to a serving process and back to a clean exit."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TypeVar

import structlog
import uvloop

from libs.debug_log import DebugLog
from libs.errors import DocuQueryError
from libs.logging import configure_logging
from libs.rpc.server import RunningServer
from libs.settings import ServiceSettings, load_settings
from libs.telemetry.setup import telemetry

log = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)

_YOUNG_OBJECTS = 10_000
"""Objects that come and stay before the collector looks at the youngest. Python's 700 are those of two
searches under way: it looked at them over and over, 0.2 ms of CPU time a search."""


def run(
    start: Callable[[S], AbstractAsyncContextManager[RunningServer]],
    settings_class: type[S],
    name: str,
    *,
    niceness: int = 0,
) -> None:
    """Loads settings, serves until SIGTERM or SIGINT, drains, returns.

    `niceness`: 0 to 19, how far it stands back where others want the same processor (nice(2)).
    Exits with 2 when the settings are not valid, with 1 when the service cannot start.
    """
    _finish_what_runs()
    _stand_back(niceness)
    settings = load_settings(settings_class)
    configure_logging(settings.effective_log_level, settings.log_format, name, masking=settings.log_masking)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_told(start, settings, name))
    except (DocuQueryError, OSError, ValueError) as error:
        log.error("cannot_start", error=str(error))
        sys.stderr.write(f"{name} cannot start: {error}\n")
        raise SystemExit(1) from None


async def _serve_until_told(
    start: Callable[[S], AbstractAsyncContextManager[RunningServer]], settings: S, name: str
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, told.set)
    with DebugLog(settings.effective_log_level, settings.log_debug_seconds).listening():
        async with telemetry(name, settings), start(settings):
            _spare_the_collector()
            await told.wait()
            log.info("draining")


def _finish_what_runs() -> None:
    """Lets a thread of this process that runs go on, instead of giving way to each one that wakes up.

    gRPC's threads and Python's wake each other several times a call, and each took the processor from the
    other at once: on busy cores a third of the time went into that. Linux's SCHED_BATCH (sched(7)) is for
    it: the share of the processor stays the same, and idle cores are used at once as before. Threads and
    processes started from here on inherit it. Elsewhere, and where a sandbox forbids it, nothing changes.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _stand_back(niceness: int) -> None:
    """Lowers this process's weight. In containers it changes nothing: there CPU requests are the weights."""
    if niceness and sys.platform == "linux":
        os.nice(niceness)
        # Sessions have weights, too (autogroups in sched(7)), and within one's own nothing else runs.
        with suppress(OSError):
            if os.getsid(0) == os.getpid():
                Path("/proc/self/autogroup").write_text(str(niceness))


def _spare_the_collector() -> None:
    """Takes what start-up made (modules, message types, vocabularies) out of the garbage collector's sight.

    It stays for good, and is most of what there is (180,000 objects in retrieval): each full collection
    looked through all of it, and the event loop stood still for 40 ms and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
