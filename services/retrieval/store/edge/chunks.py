"""Chunks in Qdrant Edge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias, cast

import qdrant_edge as edge

from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.store.edge.asking import ask, one_of, planned, requests_of
from services.retrieval.store.edge.engine import engine_errors, match, scroll
from services.retrieval.store.edge.idf import idf_of_unseen, probe_idf
from services.retrieval.store.edge.points import (
    from_record,
    to_points,
    touching,
)
from services.retrieval.store.edge.slots import ordinal_in, point_id
from services.retrieval.store.edge.space import EdgeSpace, attempts_in, is_lacking
from services.retrieval.store.edge.tenant import EdgeTenant, EdgeTenants
from services.retrieval.store.edge.written import Written
from services.retrieval.store.payloads import LACKS, chunk_from_payload, lacks_of
from services.retrieval.store.protocol import Extent
from services.retrieval.store.questions import (
    ChunkQuery,
    Completion,
    EmbeddedChunk,
    Hits,
    Leg,
    Legs,
    Missing,
)

Points: TypeAlias = "Sequence[edge.ScoredPoint] | Sequence[edge.Record]"

_MAX_REMEMBERED_TERMS = 100_000


class EdgeChunkStore:
    """Implements `ChunkStore` and `Lacking` for one space."""

    def __init__(self, tenants: EdgeTenants, place: str, *, notes_written: bool = True) -> None:
        """`notes_written`: whether what open attempts store here is what is counted of them."""
        self._tenants = tenants
        self._place = place
        self._notes_written = notes_written

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        if not chunks:
            return
        points = to_points(chunks)
        opened = self._tenants.to_fill(tenant)
        if not all(map(opened.slots.take, {item.chunk.key.attempt_id for item in chunks})):
            raise ValueError("an attempt that was never recorded has the slot of another")
        space = opened.space(self._place)
        if any(map(lacks_of, chunks)):
            space.prepare_for_lacking()
            space.may_lack = True
        space.update(edge.UpdateOperation.upsert_points(points), len(points))
        if self._notes_written:
            opened.written.chunks_written(item.chunk.key for item in chunks)

    async def existing(self, tenant: str, keys: Sequence[ChunkKey]) -> frozenset[ChunkKey]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return frozenset()
        space = opened.space(self._place)
        if space.may_lack:  # seldom, and not for long
            records = _retrieve(space, keys, [LACKS])
            return frozenset(
                _keys_of(opened, space, [r for r in records if not (r.payload or {}).get(LACKS)])
            )
        unsure = []
        stored = set()
        for key in keys:
            written = self._written(opened, key.attempt_id)
            if written is None:
                unsure.append(key)
            elif key.ordinal in written.ordinals:
                stored.add(key)
        return frozenset(stored.union(_keys_of(opened, space, _retrieve(space, unsure, False))))

    async def count(self, tenant: str, attempt_id: str) -> int:
        opened = self._tenants.find(tenant)
        if opened is None:
            return 0
        written = self._written(opened, attempt_id)
        if written is not None:
            return len(written.ordinals)
        wanted = edge.Filter(must=[match("attempt_id", attempt_id)])
        with engine_errors("count"):
            return opened.space(self._place).shard.count(edge.CountRequest(filter=wanted, exact=True))

    async def extent(self, tenant: str, attempt_id: str) -> Extent:
        opened = self._tenants.find(tenant)
        if opened is None:
            return Extent(0, -1)
        written = self._written(opened, attempt_id)
        if written is not None:
            return Extent(len(written.ordinals), max(written.ordinals, default=-1))
        wanted = edge.Filter(must=[match("attempt_id", attempt_id)])
        shard = opened.space(self._place).shard
        with engine_errors("extent"):
            ids = [cast("int", record.id) for record in scroll(shard, wanted, with_payload=False)]
        return Extent(len(ids), max(map(ordinal_in, ids), default=-1))

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        opened = self._tenants.find(tenant)
        plan = planned(opened, self._place, query) if opened else None
        if opened is None or plan is None:
            nothing = Leg()
            return Legs(
                nothing if query.dense is not None else None, nothing if query.sparse is not None else None
            )
        requests = requests_of(query, plan.depth, plan.filter, plan.filter)
        space = opened.space(self._place)
        dense, sparse = ask(space.shard, requests, "search")
        return Legs(
            None if dense is None else plan.leg(_to_hits(opened, space, dense), query.depth),
            None if sparse is None else plan.leg(_to_hits(opened, space, sparse), query.depth),
            await self.idf(tenant, query.sparse.indices) if query.sparse is not None else {},
        )

    async def complete(self, tenant: str, query: ChunkQuery, missing: Missing) -> Completion:
        opened = self._tenants.find(tenant)
        if opened is None:
            return Completion()
        asked = ChunkQuery(
            query.dense if missing.dense else None, query.sparse if missing.sparse else None, query.depth
        )
        limit = max(len(missing.dense), len(missing.sparse))
        requests = requests_of(asked, limit, one_of(missing.dense), one_of(missing.sparse))
        space = opened.space(self._place)
        dense, sparse = ask(space.shard, requests, "complete")
        return Completion(
            _to_hits(opened, space, dense or ()),
            _to_hits(opened, space, sparse or ()),
            _chunks(space, missing.texts),
        )

    async def fetch(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        opened = self._tenants.find(tenant)
        return _chunks(opened.space(self._place), keys) if opened else {}

    async def embedded(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, EmbeddedChunk]:
        opened = self._tenants.find(tenant)
        found = _retrieve(opened.space(self._place), keys, True, with_vectors=True) if opened else ()
        return {item.chunk.key: item for item in map(from_record, found)}

    async def between(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[Chunk]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return ()
        wanted = edge.Filter(must=[match("attempt_id", attempt_id), *touching(char_start, char_end)])
        shard = opened.space(self._place).shard
        with engine_errors("between"):
            found = [r.payload for r in scroll(shard, wanted, with_payload=True) if r.payload]
        return sorted(map(chunk_from_payload, found), key=lambda chunk: chunk.key.ordinal)

    async def idf(self, tenant: str, terms: Collection[int]) -> Mapping[int, float]:
        opened = self._tenants.find(tenant)
        if opened is None:
            return dict.fromkeys(terms, idf_of_unseen(0))
        space = opened.space(self._place)
        unknown = [term for term in terms if term not in space.idf]
        if unknown:
            if len(space.idf) > _MAX_REMEMBERED_TERMS:
                space.idf.clear()
                unknown = list(terms)
            with engine_errors("idf"):
                space.idf.update(probe_idf(space.shard, unknown))
        return {term: space.idf[term] for term in terms}

    async def known_complete(self, tenant: str) -> Mapping[str, int]:  # noqa: ARG002 # as the seam has it
        return {}  # counting them all would hold everything up; looking for each by its ids does not

    async def lacking(self, tenant: str) -> Sequence[str]:
        opened = self._tenants.find(tenant)
        if opened is None or not opened.space(self._place).may_lack:
            return ()
        space = opened.space(self._place)
        found = attempts_in(space.shard, edge.Filter(must=[is_lacking()]))
        space.may_lack = bool(found)
        return sorted(found)

    async def tenants_lacking(self) -> Sequence[str]:
        return [tenant.name for tenant in self._tenants.opened if tenant.space(self._place).may_lack]

    def _written(self, opened: EdgeTenant, attempt_id: str) -> Written | None:
        return opened.written.find(attempt_id) if self._notes_written else None


def _retrieve(
    space: EdgeSpace, keys: Collection[ChunkKey], payload: bool | list[str], *, with_vectors: bool = False
) -> list[edge.Record]:
    if not keys:
        return []
    ids: list[edge.PointId] = [point_id(key) for key in keys]
    with engine_errors("retrieve"):
        return space.shard.retrieve(ids, payload, with_vectors)


def _chunks(space: EdgeSpace, keys: Collection[ChunkKey]) -> dict[ChunkKey, Chunk]:
    payloads = (record.payload for record in _retrieve(space, keys, True))
    chunks = (chunk_from_payload(payload) for payload in payloads if payload is not None)
    return {chunk.key: chunk for chunk in chunks}


def _keys_of(opened: EdgeTenant, space: EdgeSpace, points: Points) -> list[ChunkKey]:
    ids = [cast("int", point.id) for point in points]
    try:
        return opened.slots.keys(ids)
    except KeyError:
        # Leftovers of an earlier process: their payload says whose they are.
        unknown: list[edge.PointId] = [*opened.slots.unknown(ids)]
        with engine_errors("retrieve"):
            for record in space.shard.retrieve(unknown, ["attempt_id"], False):
                opened.slots.take((record.payload or {})["attempt_id"])
        return opened.slots.keys(ids)


def _to_hits(opened: EdgeTenant, space: EdgeSpace, points: Sequence[edge.ScoredPoint]) -> Hits:
    return dict(zip(_keys_of(opened, space, points), [point.score for point in points], strict=True))
