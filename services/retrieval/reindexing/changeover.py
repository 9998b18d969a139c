"""What a serving process does while its store changes to another vector space."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.reindexing.filler import SpaceFiller
from services.retrieval.reindexing.pace import Pace
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.vectors import SpaceVectors
from services.retrieval.store.progress import FillProgress, ReindexStatus
from services.retrieval.store.spaces_protocol import Spaces
from services.retrieval.store.stores import Stores

log = structlog.get_logger()

# How often it is looked which chunks lack a vector, while there is another space.
_TICK_SECONDS = 1.0
# How often every document is looked at while there is another space. Processes tell each other what they
# write, so this finds what one of them wrote that did not know of a space yet.
_EVERYTHING_SECONDS = 60.0
# How often it is looked for what lacks a vector when there is no other space: nothing should.
_QUIET_SECONDS = 60.0
_RETRY_SECONDS = 10.0
_LOG_SECONDS = 10.0
# Requests to the embedder, so that uploads have the others.
_BATCHES_AT_ONCE = 2


class Changeover:
    """Keeps the own space whole. `catch_up` runs once before serving, `run` until it is cancelled.

    Where the own space is not the one that is searched yet, fills it and switches over.
    """

    def __init__(
        self,
        spaces: Spaces,
        filler: SpaceFiller,
        clock: Clock,
        grace_seconds: float,
        on_switch: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_switch` begins in the same breath as the switch; `grace_seconds`: longer than any search."""
        self._spaces = spaces
        self._filler = filler
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._on_switch = on_switch
        self._has_to_switch = not spaces.kept.is_whole(spaces.own)
        self._next_everything = self._next_lacking = clock.monotonic()

    async def catch_up(self) -> None:
        """Before serving: what other processes have stored is searchable by its words at least."""
        if self._spaces.kept.others and not self._has_to_switch:
            found = await self._filler.fill(waits=False)
            log.info("caught_up", absent=found.absent, made=found.made)
            self._next_everything = self._clock.monotonic() + _EVERYTHING_SECONDS

    async def run(self) -> None:
        """Works until cancelled. What fails is logged and tried again."""
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            try:
                await self._turn()
            except DocuQueryError as error:
                log.warning("changeover_failed", error=str(error))
            except Exception as error:
                # A fault of ours must not end it for good, unnoticed.
                log.error("changeover_failed", exc_info=error)

    async def status(self) -> ReindexStatus | None:
        """The change that is under way; None when there is none."""
        return await self._spaces.status()

    async def _turn(self) -> None:
        now = self._clock.monotonic()
        if self._has_to_switch:
            await self._fill_and_switch()
        elif self._spaces.is_changing and now >= self._next_everything:
            await self._filler.fill(waits=False)
            self._next_everything = self._clock.monotonic() + _EVERYTHING_SECONDS
        elif now >= self._next_lacking:
            found = await self._filler.fill_lacking()
            wait = 0.0 if self._spaces.is_changing else _QUIET_SECONDS
            if found.left:  # the embedder is down
                wait = _RETRY_SECONDS
            self._next_lacking = self._clock.monotonic() + wait

    async def _fill_and_switch(self) -> None:
        former = self._spaces.kept.current.space
        log.info("reindex_started", former=str(former), wanted=str(self._spaces.own))
        await self._filler.fill()
        while not await self._spaces.switch(self._filler.filled):
            await self._filler.fill()
        self._has_to_switch = False
        await self._on_switch()
        log.info("reindex_switched", former=str(former), wanted=str(self._spaces.own))
        await self._clock.sleep(self._grace_seconds)
        await self._spaces.drop_others()
        log.info("former_vectors_removed", former=str(former))


class ProgressLog:
    """Tells the log now and then how far it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = clock.monotonic() + _LOG_SECONDS

    def __call__(self, progress: FillProgress) -> None:
        """Takes note of `progress`."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + _LOG_SECONDS
        left = progress.seconds_left
        log.info(
            "reindex_progress",
            documents=progress.documents,
            document_count=progress.document_count,
            chunks=progress.chunks,
            chunk_count=progress.chunk_count,
            chunks_per_second=round(progress.chunks_per_second, 1),
            seconds_left=None if left is None else round(left),
        )


def background_filler(
    stores: Stores, vectors: SpaceVectors, clock: Clock, grace_seconds: float
) -> SpaceFiller:
    """Fills the space of a serving process beside everything else that it does."""
    return SpaceFiller(
        stores,
        vectors,
        clock,
        patience=Patience(clock, lambda why: log.warning("reindex_waits", why=why)),
        # Where the engine works in this process, half of the time is for others at the least.
        pace=Pace(clock, rest=0.0 if stores.is_shared else 1.0),
        batches_at_once=_BATCHES_AT_ONCE,
        grace_seconds=grace_seconds,
        on_progress=ProgressLog(clock),
    )
