"""The vector spaces of the embedded store, which one process changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import qdrant_edge as edge

from services.retrieval.store.edge.chunks import EdgeChunkStore
from services.retrieval.store.edge.engine import engine_errors, match
from services.retrieval.store.edge.manifest import Manifest
from services.retrieval.store.edge.space import is_lacking
from services.retrieval.store.edge.tenant import EdgeTenant, EdgeTenants
from services.retrieval.store.progress import FillProgress, ReindexState, ReindexStatus
from services.retrieval.store.spaces import KeptSpaces, VectorSpace
from services.retrieval.store.spaces_protocol import Lacking

# So many attempts are looked at in one go, about half a millisecond each; the rest is left to the next pass.
_MOST_UNSURE = 20


class EdgeSpaces:
    """Implements `Spaces`."""

    def __init__(
        self,
        tenants: EdgeTenants,
        manifest: Manifest,
        opened: KeptSpaces,
        own: VectorSpace,
        write: Callable[[Manifest], None],
    ) -> None:
        """`opened`: those of the manifest's spaces that `tenants` has open. `write` replaces the manifest."""
        self._tenants = tenants
        self._manifest = manifest
        self._kept = opened
        self._own = own
        self._write = write
        self._progress = FillProgress()
        self._places = {kept.space: kept.place for kept in opened.all}
        self._chunks = {
            kept.space: EdgeChunkStore(tenants, kept.place, notes_written=kept.space == own)
            for kept in opened.all
        }

    @property
    def own(self) -> VectorSpace:
        return self._own

    @property
    def kept(self) -> KeptSpaces:
        return self._kept

    @property
    def is_changing(self) -> bool:
        return bool(self._manifest.spaces.others)

    async def refresh(self) -> None:
        """Nobody else changes it."""

    def chunks(self, space: VectorSpace) -> EdgeChunkStore:
        return self._chunks[space]

    @property
    def own_lacking(self) -> Lacking:
        return self._chunks[self._own]

    async def switch(self, filled: Mapping[str, Collection[str]]) -> bool:
        # Nothing waits from here to the end, so no commit comes between.
        if not self._tenants.are_all_opened:
            return False
        if not all(self._is_whole(tenant, filled.get(tenant.name, ())) for tenant in self._tenants.opened):
            return False
        spaces = self._manifest.spaces.switched_to(self._own, keeps_former=False)
        self._change(spaces)
        return True

    async def is_indexed(self) -> bool:
        return True  # nothing is built while it serves

    async def drop_others(self) -> None:
        spaces = self._manifest.spaces.alone()
        left = {kept.place for kept in self._manifest.spaces.others}
        if left:
            self._change(spaces)
        for space in [space for space in self._places if space != spaces.current.space]:
            left.add(self._places.pop(space))
            del self._chunks[space]
        for place in left:
            for _ in self._tenants.drop_space(place):
                await asyncio.sleep(0)

    async def tell(self, progress: FillProgress) -> None:
        self._progress = progress

    async def status(self) -> ReindexStatus | None:
        spaces = self._manifest.spaces
        filling = spaces.being_filled
        if filling is None:
            return None
        is_ours = filling.space == self._own
        state = ReindexState.RUNNING if is_ours else ReindexState.STOPPED
        return ReindexStatus(state, spaces.current.space, filling.space, self._progress if is_ours else None)

    def _is_whole(self, tenant: EdgeTenant, filled: Collection[str]) -> bool:
        place = self._places[self._own]
        live = tenant.catalogue.live_chunk_counts()
        unsure = [attempt_id for attempt_id in live if attempt_id not in filled]
        if len(unsure) > _MOST_UNSURE:
            return False
        if any(_complete(tenant, place, attempt_id) < live[attempt_id] for attempt_id in unsure):
            return False
        # What open attempts have stored in the former space goes with it.
        former = [other for space, other in self._places.items() if space != self._own]
        return all(
            _stored(tenant, place, attempt_id) >= _stored(tenant, other, attempt_id)
            for other in former
            for attempt_id in (record.attempt.attempt_id for record in tenant.catalogue.open_attempts())
        )

    def _change(self, spaces: KeptSpaces) -> None:
        manifest = replace(self._manifest, spaces=spaces)
        self._write(manifest)
        self._manifest = manifest
        self._kept = spaces


def _complete(tenant: EdgeTenant, place: str, attempt_id: str) -> int:
    return _count(tenant, place, edge.Filter(must=[match("attempt_id", attempt_id)], must_not=[is_lacking()]))


def _stored(tenant: EdgeTenant, place: str, attempt_id: str) -> int:
    return _count(tenant, place, edge.Filter(must=[match("attempt_id", attempt_id)]))


def _count(tenant: EdgeTenant, place: str, wanted: edge.Filter) -> int:
    with engine_errors("count"):
        return tenant.spaces[place].shard.count(edge.CountRequest(filter=wanted, exact=True))
