"""From `python -m services.<name>` to a serving process and back to a clean exit."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import structlog
import uvloop

from libs.debug_log import DebugLog
from libs.errors import DocuQueryError
from libs.logging import configure_logging
from libs.misspelt import misspelt_settings
from libs.rpc.server import RunningServer
from libs.scheduling import finish_what_runs, stand_back
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
    finish_what_runs()
    stand_back(niceness)
    settings = load_settings(settings_class)
    configure_logging(settings.effective_log_level, settings.log_format, name, masking=settings.log_masking)
    for written, meant in misspelt_settings(settings_class):
        log.warning("not_a_setting", variable=written, meant=meant)
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


def _spare_the_collector() -> None:
    """Takes what start-up made (modules, message types, vocabularies) out of the garbage collector's sight.

    It stays for good, and is most of what there is (180,000 objects in retrieval): each full collection
    looked through all of it, and the event loop stood still for 40 ms and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
