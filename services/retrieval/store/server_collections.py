"""The two collections of a server store: made when missing, told apart by their prefix, read and written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import TypeAlias

from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.filter_fields import FieldKind
from services.retrieval.store.server_nodes import Nodes, gathered
from services.retrieval.store.server_points import ALL, DENSE, NONE, SPARSE

_QUORUM = q.ReadConsistency(type=q.Quorum)
_SCROLL_POINTS = 1000
# Replicas differ while a write is on its way to them: some milliseconds, seconds when a node has just died.
_AGREE_TRIES = 60
_AGREE_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Layout:
    """How collections are spread over the nodes; what is there already stays as it is."""

    replication_factor: int
    """Copies of each point; a single server keeps one whatever is asked."""
    write_consistency_factor: int
    """Copies that must be written before a write is acknowledged."""
    shard_number: int
    """Parts the points are spread over; 0 leaves it to the server: one a node."""


class Collection:
    """One collection."""

    def __init__(self, nodes: Nodes, name: str, clock: Clock, *, is_replicated: bool) -> None:
        self.name = name
        self.nodes = nodes
        self._clock = clock
        self._is_replicated = is_replicated

    async def upsert(
        self,
        points: Sequence[q.PointStruct],
        *,
        ordering: q.WriteOrdering | None = None,
        update_filter: q.Filter | None = None,
    ) -> None:
        """Stores points. With `update_filter`, one that is there is only replaced if it passes."""
        await self.nodes.points(
            "Upsert",
            q.UpsertPoints(
                collection_name=self.name,
                wait=True,
                points=points,
                ordering=ordering,
                update_filter=update_filter,
            ),
        )

    async def delete(self, selector: q.PointsSelector, *, ordering: q.WriteOrdering | None = None) -> None:
        """Deletes points."""
        await self.nodes.points(
            "Delete",
            q.DeletePoints(collection_name=self.name, wait=True, points=selector, ordering=ordering),
        )

    async def retrieve(
        self,
        ids: Sequence[q.PointId],
        payload: q.WithPayloadSelector = NONE,
        vectors: bool = False,
        consistency: q.ReadConsistency | None = None,
    ) -> Sequence[q.RetrievedPoint]:
        """Those of `ids` that are there."""
        if not ids:
            return ()
        reply = await self.nodes.points(
            "Get",
            q.GetPoints(
                collection_name=self.name,
                ids=ids,
                with_payload=payload,
                with_vectors=q.WithVectorsSelector(enable=vectors),
                read_consistency=consistency,
            ),
        )
        return list(reply.result)

    async def retrieve_agreed(
        self, ids: Sequence[q.PointId], payload: q.WithPayloadSelector = ALL
    ) -> Sequence[q.RetrievedPoint]:
        """Those of `ids` that are there, as most replicas have them; waits while they differ.

        A quorum read leaves out points on which the replicas asked differ, so what it leaves out is looked
        for on a single one. Raises STORE_UNAVAILABLE when they go on differing.
        """
        agreed: list[q.RetrievedPoint] = []
        missing = list(ids)
        for _ in range(_AGREE_TRIES):
            found = await self.retrieve(missing, payload, consistency=_QUORUM)
            agreed += found
            seen = {point.id.uuid for point in found}
            missing = [point for point in missing if point.uuid not in seen]
            if not missing or not self._is_replicated:
                return agreed
            missing = [point.id for point in await self.retrieve(missing)]
            if not missing:
                return agreed
            await self._clock.sleep(_AGREE_PAUSE_SECONDS)
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            "The copies of a document's record differ and do not settle. Try again in a moment.",
        )

    async def scroll(
        self,
        wanted: q.Filter,
        payload: q.WithPayloadSelector = NONE,
        *,
        start: q.PointId | None = None,
        consistency: q.ReadConsistency | None = None,
    ) -> AsyncIterator[q.RetrievedPoint]:
        """Every point that passes, by id, from `start` on, in pieces of 1,000."""
        offset = start
        while True:
            reply = await self._scrolled(wanted, payload, _SCROLL_POINTS, offset, consistency)
            for point in reply.result:
                yield point
            if not reply.HasField("next_page_offset"):
                return
            offset = reply.next_page_offset

    async def first(
        self, wanted: q.Filter, limit: int, payload: q.WithPayloadSelector = NONE
    ) -> Sequence[q.RetrievedPoint]:
        """At most `limit` points that pass, by id."""
        return list((await self._scrolled(wanted, payload, limit)).result)

    async def _scrolled(
        self,
        wanted: q.Filter,
        payload: q.WithPayloadSelector,
        limit: int,
        offset: q.PointId | None = None,
        consistency: q.ReadConsistency | None = None,
    ) -> q.ScrollResponse:
        request = q.ScrollPoints(
            collection_name=self.name,
            filter=wanted,
            limit=limit,
            offset=offset,
            with_payload=payload,
            with_vectors=q.WithVectorsSelector(enable=False),
            read_consistency=consistency,
        )
        reply: q.ScrollResponse = await self.nodes.points("Scroll", request)
        return reply

    async def scroll_agreed(
        self, wanted: q.Filter, payload: q.WithPayloadSelector = ALL
    ) -> Sequence[q.RetrievedPoint]:
        """Every point that passes, as most replicas have it; some may have stopped passing meanwhile."""
        if not self._is_replicated:
            return await _listed(self.scroll(wanted, payload))
        agreed, anywhere = await gathered(
            _listed(self.scroll(wanted, payload, consistency=_QUORUM)), _listed(self.scroll(wanted))
        )
        seen = {point.id.uuid for point in agreed}
        unsure = [point.id for point in anywhere if point.id.uuid not in seen]
        return [*agreed, *await self.retrieve_agreed(unsure, payload)]

    async def count(self, wanted: q.Filter | None = None, *, exact: bool = True) -> int:
        """Points that pass."""
        request = q.CountPoints(collection_name=self.name, filter=wanted, exact=exact)
        return int((await self.nodes.points("Count", request)).result.count)

    async def facet(self, key: str, wanted: q.Filter | None = None) -> Sequence[str]:
        """The distinct values of keyword field `key` among points that pass."""
        return list(await self.facet_counts(key, wanted))

    async def facet_counts(self, key: str, wanted: q.Filter | None = None) -> Mapping[str, int]:
        """These, with how many points have each."""
        request = q.FacetCounts(
            collection_name=self.name, key=key, filter=wanted, limit=_FACET_LIMIT, exact=True
        )
        reply = await self.nodes.points("Facet", request)
        return {hit.value.string_value: hit.count for hit in reply.hits}


# More distinct values than a store of this kind can hold.
_FACET_LIMIT = 100_000_000


async def _listed(points: AsyncIterator[q.RetrievedPoint]) -> list[q.RetrievedPoint]:
    return [point async for point in points]


async def open_collections(
    nodes: Nodes,
    prefix: str,
    dimensions: int,
    layout: Layout,
    clock: Clock,
    ranges: Iterable[tuple[str, FieldKind]] = (),
) -> tuple[Collection, Collection]:
    """The collections `<prefix>_chunks` and `<prefix>_documents`, made when they are missing.

    `ranges` are fields of documents that are indexed besides.

    Several processes may do so at once. Raises STORE_UNAVAILABLE.
    """
    chunks = q.CreateCollection(
        collection_name=f"{prefix}_chunks",
        vectors_config=q.VectorsConfig(
            params_map=q.VectorParamsMap(
                map={
                    # Half precision: cosines move by less than 1e-4, memory is halved.
                    DENSE: q.VectorParams(size=dimensions, distance=q.Cosine, datatype=q.Float16)
                }
            )
        ),
        sparse_vectors_config=q.SparseVectorConfig(map={SPARSE: q.SparseVectorParams(modifier=q.Idf)}),
        # Every search names its tenant: a graph for each large tenant, none over all of them.
        hnsw_config=q.HnswConfigDiff(m=0, payload_m=16),
    )
    documents = q.CreateCollection(collection_name=f"{prefix}_documents")
    return (
        await _open(nodes, chunks, _CHUNK_INDEXES, layout, clock),
        await _open(nodes, documents, (*_DOCUMENT_INDEXES, *starmap(_range, ranges)), layout, clock),
    )


_Index: TypeAlias = "tuple[str, q.FieldType.ValueType, q.PayloadIndexParams]"


def _keyword(name: str, *, is_tenant: bool = False) -> _Index:
    params = q.KeywordIndexParams(is_tenant=is_tenant)
    return name, q.FieldTypeKeyword, q.PayloadIndexParams(keyword_index_params=params)


def _integer(name: str) -> _Index:
    params = q.IntegerIndexParams(lookup=True, range=True)
    return name, q.FieldTypeInteger, q.PayloadIndexParams(integer_index_params=params)


def _range(name: str, kind: FieldKind) -> _Index:
    if kind is FieldKind.TIME:
        return _integer(name)
    return name, q.FieldTypeFloat, q.PayloadIndexParams(float_index_params=q.FloatIndexParams())


# Never booleans: on 100,000 points such a filter took 233 ms, an integer 2.5.
_CHUNK_INDEXES = (_keyword("tenant", is_tenant=True), _keyword("attempt_id"))
_DOCUMENT_INDEXES = (
    _keyword("tenant", is_tenant=True),
    *map(_keyword, ("kind", "attempt_id", "live_attempt", "open_attempt", "facts", "indexed_as", "language")),
    *map(_integer, ("is_open", "create_time")),
)


async def _open(
    nodes: Nodes,
    wanted: q.CreateCollection,
    indexes: Iterable[_Index],
    layout: Layout,
    clock: Clock,
) -> Collection:
    name = wanted.collection_name
    if not await _exists(nodes, name):
        wanted.replication_factor = layout.replication_factor
        wanted.write_consistency_factor = layout.write_consistency_factor
        if layout.shard_number:
            wanted.shard_number = layout.shard_number
        try:
            await nodes.collections("Create", wanted)
        except DocuQueryError:
            if not await _exists(nodes, name):  # else another process was faster
                raise
    info = await nodes.collections("Get", q.GetCollectionInfoRequest(collection_name=name))
    for key, kind, params in indexes:
        if key not in info.result.payload_schema:  # making one that is there does nothing, but takes time
            request = q.CreateFieldIndexCollection(
                collection_name=name, wait=True, field_name=key, field_type=kind, field_index_params=params
            )
            await nodes.points("CreateFieldIndex", request)
    spread = await nodes.collections(
        "CollectionClusterInfo", q.CollectionClusterInfoRequest(collection_name=name)
    )
    return Collection(nodes, name, clock, is_replicated=bool(spread.remote_shards))


async def _exists(nodes: Nodes, name: str) -> bool:
    reply = await nodes.collections("CollectionExists", q.CollectionExistsRequest(collection_name=name))
    return bool(reply.result.exists)
