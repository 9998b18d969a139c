"""The vector spaces of a server store: any number of processes read and write them, one fills a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from collections.abc import Collection as Group
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.background import beside
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.store.progress import FillProgress, ReindexState, ReindexStatus
from services.retrieval.store.server.beats import BEAT_SECONDS, Beats, Silence
from services.retrieval.store.server.chunks import ServerChunkStore
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.nodes import Nodes
from services.retrieval.store.server.documents.selection import Selector
from services.retrieval.store.server.hidden import HiddenChunks
from services.retrieval.store.server.idf import IdfCache
from services.retrieval.store.server.layout import Layout, drop_chunks, open_chunks
from services.retrieval.store.server.manifest import change_server_manifest, read_server_manifest
from services.retrieval.store.spaces import KeptSpace, KeptSpaces, VectorSpace
from services.retrieval.store.spaces_protocol import Lacking

log = structlog.get_logger()

_FILLING = "reindex"
# How soon a process learns of a new space, and writes to it from then on.
_REFRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is."""

    nodes: Nodes
    prefix: str
    layout: Layout
    documents: Collection
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Opened:
    collection: Collection
    idf: IdfCache
    hidden: HiddenChunks
    chunks: ServerChunkStore


class ServerSpaces:
    """Implements `Spaces`. To be opened by `open`, and kept up to date by `watching` where it is searched."""

    def __init__(self, place: Place, selector: Selector, own: VectorSpace, *, serves: bool) -> None:
        """`serves`: whether this process searches `own`; else it is here to fill it."""
        self._place = place
        self._own = own
        self._selector = selector
        self._kept = KeptSpaces.first(own)
        self._opened: dict[VectorSpace, _Opened] = {}
        self._serves = serves
        self._filling = Beats(place.documents, _FILLING, place.clock)
        self._told = ""
        self._was_left = False
        self._silence = Silence()

    @property
    def own(self) -> VectorSpace:
        return self._own

    @property
    def kept(self) -> KeptSpaces:
        return self._kept

    @property
    def is_changing(self) -> bool:
        return bool(self._kept.others)

    @property
    def collections(self) -> Sequence[Collection]:
        """Those of the chunks of every space."""
        return [opened.collection for opened in self._opened.values()]

    @property
    def own_idf(self) -> IdfCache:
        """What is remembered of the words in `own`."""
        return self._opened[self._own].idf

    @property
    def own_lacking(self) -> Lacking:
        return self._opened[self._own].chunks

    def chunks(self, space: VectorSpace) -> ServerChunkStore:
        return self._opened[space].chunks

    async def open(self, spaces: KeptSpaces) -> None:
        """Opens what is in `spaces`, which are those of the store; `own` is begun if it is not among them."""
        kept = spaces.find(self._own)
        if kept is None:
            # The collection first: whoever learns of the space writes to it at once.
            kept = spaces.with_begun(self._own).find(self._own)
            assert kept is not None
            self._opened[self._own] = await self._open(kept, may_make=True)
            await self._drop_all_but(await self._change(lambda found: found.with_begun(self._own)))
        else:
            self._opened[self._own] = await self._open(kept, may_make=True)
            await self._take(spaces)

    async def refresh(self) -> None:
        await self._take((await read_server_manifest(self._place.documents)).spaces)
        if self._kept.find(self._own) is None and not self._was_left:
            log.error("space_deleted", space=str(self._own), advice="Restart with the store's settings.")
            self._was_left = True

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """To be held by whoever searches `own`: learns of changes, and shows that it is there.

        Beside everything else, since others rely on its being quick (`WATCH_SECONDS`, and the command that
        fills a space waits so long for processes to write to it).
        """
        searching = self._beats_of(self._own)
        if self._kept.others:
            await searching.beat()
        try:
            async with beside("spaces", partial(self._watch, searching)):
                yield
        finally:
            with suppress(DocuQueryError):  # else its silence tells
                await searching.stop()

    async def _watch(self, searching: Beats) -> None:
        while True:
            await self._place.clock.sleep(_REFRESH_SECONDS)
            try:
                await self.refresh()
                if self._kept.others:
                    await searching.beat()
                for opened in list(self._opened.values()):
                    await opened.hidden.revisit()
            except DocuQueryError as error:
                log.warning("spaces_not_read", error=error.message)
            except Exception as error:
                # A fault of ours must not end it for good, unnoticed.
                log.error("spaces_not_read", exc_info=error)

    async def switch(self, filled: Mapping[str, Group[str]]) -> bool:  # noqa: ARG002 # as the seam has it
        def decide(spaces: KeptSpaces) -> KeptSpaces:
            if spaces.current.space == self._own:
                return spaces
            return spaces.switched_to(self._own, keeps_former=True)

        await self._change(decide)
        return True

    async def is_indexed(self) -> bool:
        return await self._opened[self._own].collection.is_settled()

    async def drop_others(self) -> None:
        if self._kept.being_filled and await self._filling.find_alive(also_new=False):
            raise _at_work()
        beats = [self._beats_of(kept.space) for kept in self._kept.others]
        for others in beats:
            if alive := await others.find_alive(also_new=True):
                raise DocuQueryError(
                    reasons.ERROR_REASON_STORE_MISMATCH,
                    f"{len(alive)} retrieval processes still search the vectors that are to go. Restart them "
                    f"with the settings for {self._kept.current.space}, then run this again.",
                )
        await self._drop_all_but(await self._change(KeptSpaces.alone))
        for others in beats:
            await others.forget_dead()

    async def tell(self, progress: FillProgress) -> None:
        self._told = progress.to_text()
        if not self._serves:  # else it is somebody else's work
            await self._filling.beat(self._told)

    @asynccontextmanager
    async def alone_at_work(self) -> AsyncIterator[None]:
        """To be held by whoever changes the spaces. Raises STORE_UNAVAILABLE while another process does."""
        await self._filling.beat()
        if await self._filling.find_alive(also_new=False):
            await self._filling.stop()
            raise _at_work()
        await self._filling.forget_dead()
        try:
            async with beside("reindex_beats", self._keep_beating):
                yield
        finally:
            with suppress(DocuQueryError):  # else the others see by its silence that it has ended
                await self._filling.stop()

    async def status(self) -> ReindexStatus | None:
        spaces = self._kept
        target = spaces.being_filled
        if target is None:
            if not spaces.others:
                return None
            return ReindexStatus(ReindexState.SWITCHED, spaces.others[0].space, spaces.current.space)
        seen = await self._filling.others()
        alive = self._silence.alive(seen, self._place.clock.monotonic())
        state = ReindexState.RUNNING if alive else ReindexState.STOPPED
        progress = next((FillProgress.from_text(process.text) for process in (*alive, *seen)), None)
        return ReindexStatus(state, spaces.current.space, target.space, progress)

    async def _keep_beating(self) -> None:
        while True:
            await self._place.clock.sleep(BEAT_SECONDS)
            try:
                await self._filling.beat(self._told)
            except DocuQueryError as error:
                log.warning("beat_failed", error=error.message)

    async def _change(self, decide: Callable[[KeptSpaces], KeptSpaces]) -> KeptSpaces:
        spaces = (await change_server_manifest(self._place.documents, decide)).spaces
        await self._take(spaces)
        return spaces

    async def _take(self, spaces: KeptSpaces) -> None:
        for kept in spaces.all:
            if kept.space not in self._opened:
                self._opened[kept.space] = await self._open(kept, may_make=False)
        for space in [s for s in self._opened if s != self._own and spaces.find(s) is None]:
            del self._opened[space]
        self._kept = spaces

    async def _drop_all_but(self, spaces: KeptSpaces) -> None:
        places = {kept.place for kept in spaces.all}
        await drop_chunks(self._place.nodes, self._place.prefix, places)

    async def _open(self, kept: KeptSpace, *, may_make: bool) -> _Opened:
        place = self._place
        collection = await open_chunks(
            place.nodes, place.prefix, kept, place.layout, place.clock, may_make=may_make
        )
        idf, hidden = IdfCache(collection, place.clock), HiddenChunks(collection, kept.space.dimensions)
        chunks = ServerChunkStore(collection, self._selector, idf, hidden)
        return _Opened(collection, idf, hidden, chunks)

    def _beats_of(self, space: VectorSpace) -> Beats:
        return Beats(self._place.documents, f"search {space}", self._place.clock)


def _at_work() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_STORE_UNAVAILABLE,
        "Another `docuquery admin reindex` is at work on this store. Wait for it, or stop it first.",
    )
