"""Embedding a store anew, by the settings as they are now, and switching it over.

On a server the services go on meanwhile, with the former settings. What was done survives a kill, and the
same command goes on with it.
"""

from __future__ import annotations

from libs.clock import Clock
from services.retrieval.admin.console import AdminError
from services.retrieval.admin.reindex_report import Report
from services.retrieval.reindexing.filler import SpaceFiller
from services.retrieval.store.stores import Stores

# Serving processes look every second whether there is a new space, and write to it from then on.
_LEARN_SECONDS = 3.0
# A server builds its indexes behind what is written. It can be searched before, but slowly.
_INDEX_SECONDS = 600.0
_INDEX_POLL_SECONDS = 1.0


async def reindex(stores: Stores, filler: SpaceFiller, report: Report, clock: Clock) -> None:
    """Fills the own space of `stores` and makes it the current one.

    Raises what the stores raise, and EMBEDDER_UNAVAILABLE when it is down for long.
    """
    spaces = stores.spaces
    former = spaces.kept.current.space
    if former == spaces.own:
        if spaces.is_changing:
            await filler.fill()
        report.is_current(spaces.own)
        return
    report.started(former, spaces.own)
    await _fill_level(stores, filler, clock)
    await _wait_for_indexes(stores, report, clock)
    await filler.fill_lacking()
    while not await spaces.switch(filler.filled):
        await filler.fill()
    report.progress(filler.progress, at_once=True)
    if not stores.is_shared:
        await spaces.drop_others()
    report.switched(former, spaces.own, keeps_former=stores.is_shared)


async def finish(stores: Stores, filler: SpaceFiller, report: Report) -> None:
    """Makes the current space, which must be the own one, the only one, and deletes the chunks of the others.

    Raises AdminError, STORE_MISMATCH while a process searches one of them, and as `reindex`.
    """
    spaces = stores.spaces
    current = spaces.kept.current.space
    if current != spaces.own:
        raise AdminError(
            f"The store is to be searched by {current}, and the settings are those of {spaces.own}. Set them "
            "to the former, then run this again; or go back by `docuquery admin reindex`."
        )
    if spaces.is_changing:
        await filler.fill()
        report.progress(filler.progress, at_once=True)
    await spaces.drop_others()
    report.finished(current)


async def _fill_level(stores: Stores, filler: SpaceFiller, clock: Clock) -> None:
    """Until nothing is missing, or no less than before: then somebody goes on writing without telling."""
    absent = (await filler.fill()).absent
    if not stores.is_shared:
        return
    await clock.sleep(_LEARN_SECONDS)
    while True:
        before, absent = absent, (await filler.fill()).absent
        if not absent or absent >= before:
            return


async def _wait_for_indexes(stores: Stores, report: Report, clock: Clock) -> None:
    give_up = clock.monotonic() + _INDEX_SECONDS
    while not await stores.spaces.is_indexed() and clock.monotonic() < give_up:
        report.waits("The server is still building the indexes of what was written.")
        await clock.sleep(_INDEX_POLL_SECONDS)
