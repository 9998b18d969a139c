"""Chunks on a Qdrant server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence
from dataclasses import replace

from qdrant_client import grpc as q

from services.retrieval.model import Chunk, ChunkKey
from services.retrieval.store.payloads import (
    LACKABLE,
    LACKS,
    chunk_from_payload,
)
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
from services.retrieval.store.server.chunk_points import (
    chunk_id,
    chunk_uuid,
    chunks_from,
    from_point,
    of_attempt,
    to_point,
    to_sparse,
)
from services.retrieval.store.server.connection.batched import Batcher
from services.retrieval.store.server.connection.calls import MOST_READS
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    ALL,
    APPROXIMATE,
    DENSE,
    NONE,
    SPARSE,
    every,
    from_values,
    has_id,
    has_one_of,
    has_text,
    id_base,
    only,
    point_id,
    split_id,
    touching,
)
from services.retrieval.store.server.documents.selection import Selector
from services.retrieval.store.server.hidden import HiddenChunks
from services.retrieval.store.server.hits import HitReader
from services.retrieval.store.server.idf import IdfCache
from services.retrieval.store.server.plan import Plan, planned

_IS_LACKING = has_one_of(LACKS, LACKABLE)
_FEW = 100
"""Chunks of a document whose ids are listed instead of counted."""
_NO_ATTEMPTS: frozenset[str] = frozenset()


class ServerChunkStore:
    """Implements `ChunkStore` and `Lacking` for one space."""

    def __init__(
        self, collection: Collection, selector: Selector, idf: IdfCache, hidden: HiddenChunks
    ) -> None:
        self._collection = collection
        self._selector = selector
        self._idf = idf
        self._hidden = hidden
        self._hits = HitReader(collection)
        self._counts = Batcher(self._count, most=MOST_READS, under_way=1)

    async def write(self, tenant: str, chunks: Sequence[EmbeddedChunk]) -> None:
        if not chunks:
            return
        attempt_ids = {item.chunk.key.attempt_id for item in chunks}
        await self._collection.upsert([to_point(tenant, item) for item in chunks])
        self._hidden.note(attempt_ids)
        self._idf.note(len(chunks))
        self._hits.remember(tenant, attempt_ids)

    async def existing(self, tenant: str, keys: Sequence[ChunkKey]) -> frozenset[ChunkKey]:
        by_id = {chunk_id(tenant, key).uuid: key for key in keys}
        found = await self._collection.retrieve([q.PointId(uuid=uuid) for uuid in by_id], only(LACKS))
        return frozenset(by_id[point.id.uuid] for point in found if LACKS not in point.payload)

    async def count(self, tenant: str, attempt_id: str) -> int:
        return await self._counts.ask((tenant, attempt_id))

    async def _count(self, attempts: Sequence[tuple[str, str]]) -> Sequence[int]:
        """Of attempts of several tenants: one call for each tenant."""
        by_tenant: dict[str, set[str]] = defaultdict(set)
        for tenant, attempt_id in attempts:
            by_tenant[tenant].add(attempt_id)
        found = {
            tenant: await self._collection.facet(
                "attempt_id", every(has_one_of("attempt_id", attempt_ids), has_text("tenant", tenant))
            )
            for tenant, attempt_ids in by_tenant.items()
        }
        return [found[tenant].get(attempt_id, 0) for tenant, attempt_id in attempts]

    async def extent(self, tenant: str, attempt_id: str) -> Extent:
        # The ids of an attempt are in order: of a small document, all take one call.
        few = await self._collection.first(of_attempt(tenant, attempt_id), _FEW + 1)
        if len(few) <= _FEW:
            return Extent(len(few), split_id(few[-1].id.uuid)[1] if few else -1)
        count = await self.count(tenant, attempt_id)
        # n chunks reach the ordinal n - 1 at least.
        first = point_id(id_base(tenant, attempt_id), count - 1)
        highest = count - 1
        async for point in self._collection.scroll(of_attempt(tenant, attempt_id), start=first):
            highest = split_id(point.id.uuid)[1]
        return Extent(count, highest)

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        plan = await planned(self._selector, tenant, query)
        if plan is None:
            nothing = Leg()
            return Legs(
                nothing if query.dense is not None else None, nothing if query.sparse is not None else None
            )
        dense, sparse, idf = await self._ask(query, plan)
        is_short = dense is not None and len(dense) < min(plan.depth, plan.chunks)
        if is_short and await self._hidden.uncover(plan.named, len(dense or ())):
            dense, sparse, idf = await self._ask(query, plan)
        found = _NO_ATTEMPTS
        if query.filter:
            found = frozenset(key.attempt_id for key in (*(dense or ()), *(sparse or ())))
        if plan.is_to_be_judged:
            plan = replace(plan, keep=await self._selector.passing(tenant, query.filter, found))
        return Legs(
            None if dense is None else plan.leg(dense, query.depth),
            None if sparse is None else plan.leg(sparse, query.depth),
            idf,
            relied_on=plan.named - found,
            passed_over=found - plan.keep if plan.keep is not None else _NO_ATTEMPTS,
        )

    async def complete(self, tenant: str, query: ChunkQuery, missing: Missing) -> Completion:
        asked = replace(
            query,
            dense=query.dense if missing.dense else None,
            sparse=query.sparse if missing.sparse else None,
        )
        of_dense, of_sparse, of_texts = (
            every(has_id(chunk_uuid(tenant, key) for key in named))
            for named in (missing.dense, missing.sparse, missing.texts)
        )
        requests = self._requests(asked, of_dense, of_sparse, max(len(missing.dense), len(missing.sparse)))
        if missing.texts:
            # Without a vector it is a reading by ids, which may go with the questions.
            requests.append(
                q.QueryPoints(
                    collection_name=self._collection.name,
                    filter=of_texts,
                    limit=len(missing.texts),
                    with_payload=ALL,
                )
            )
        replies = await self._collection.query(requests) if requests else []
        texts = replies[-1] if missing.texts else ()
        dense, sparse = await self._legs(asked, replies[: len(requests) - bool(missing.texts)])
        return Completion(dense or {}, sparse or {}, chunks_from(texts))

    async def fetch(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        return chunks_from(await self._collection.retrieve([chunk_id(tenant, key) for key in keys], ALL))

    async def embedded(self, tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, EmbeddedChunk]:
        found = await self._collection.retrieve([chunk_id(tenant, key) for key in keys], ALL, vectors=True)
        return {item.chunk.key: item for item in map(from_point, found)}

    async def between(self, tenant: str, attempt_id: str, char_start: int, char_end: int) -> Sequence[Chunk]:
        wanted = of_attempt(tenant, attempt_id)
        wanted.must.extend(touching(char_start, char_end))
        return [
            chunk_from_payload(from_values(point.payload))
            async for point in self._collection.scroll(wanted, ALL)
        ]

    async def known_complete(self, tenant: str) -> Mapping[str, int]:
        return await self._collection.facet(
            "attempt_id", q.Filter(must=[has_text("tenant", tenant)], must_not=[_IS_LACKING])
        )

    async def lacking(self, tenant: str) -> Sequence[str]:
        return sorted(
            await self._collection.facet("attempt_id", every(has_text("tenant", tenant), _IS_LACKING))
        )

    async def tenants_lacking(self) -> Sequence[str]:
        return sorted(await self._collection.facet("tenant", every(_IS_LACKING)))

    async def idf(self, tenant: str, terms: Group[int]) -> Mapping[int, float]:  # noqa: ARG002  # all tenants'
        return await self._idf.get(terms)

    async def _ask(
        self, query: ChunkQuery, plan: Plan
    ) -> tuple[Hits | None, Hits | None, Mapping[int, float]]:
        """What either index finds, and the idf of the terms, in one round trip."""
        requests = self._requests(query, plan.filter, plan.filter, plan.depth)
        probe = await self._idf.probe(query.sparse.indices if query.sparse is not None else ())
        replies = await self._collection.query([*requests, *probe.requests])
        dense, sparse = await self._legs(query, replies[: len(requests)])
        return dense, sparse, probe.learn(replies[len(requests) :])

    def _requests(
        self, query: ChunkQuery, of_dense: q.Filter, of_sparse: q.Filter, limit: int
    ) -> list[q.QueryPoints]:
        """The questions to the indexes, that to the dense one first; a query without terms is none."""
        name, requests = self._collection.name, []
        if query.dense is not None:
            vector = q.VectorInput(dense=q.DenseVector(data=query.dense.tolist()))
            requests.append(_nearest(name, vector, DENSE, of_dense, limit))
        if query.sparse is not None and query.sparse.indices:
            vector = q.VectorInput(sparse=to_sparse(query.sparse))
            requests.append(_nearest(name, vector, SPARSE, of_sparse, limit))
        return requests

    async def _legs(
        self, query: ChunkQuery, replies: Sequence[Sequence[q.ScoredPoint]]
    ) -> tuple[Hits | None, Hits | None]:
        """The replies to `_requests` as hits; None for an index that was not asked."""
        rest = list(replies)
        dense = None if query.dense is None else await self._hits.read(rest.pop(0))
        if query.sparse is None:
            return dense, None
        return dense, await self._hits.read(rest[0]) if rest else {}


def _nearest(name: str, vector: q.VectorInput, using: str, wanted: q.Filter, limit: int) -> q.QueryPoints:
    return q.QueryPoints(
        collection_name=name,
        query=q.Query(nearest=vector),
        using=using,
        filter=wanted,
        limit=limit,
        with_payload=NONE,
        params=APPROXIMATE,
    )
