"""The two kinds of collections of a server store: their layout and indexes, made when missing."""

from __future__ import annotations

import re
from collections.abc import Collection as Group
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import starmap
from typing import TypeAlias

from qdrant_client import grpc as q

from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.filtering.fields import FieldKind
from services.retrieval.store.payloads import LACKS
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.nodes import Nodes
from services.retrieval.store.server.connection.points import DENSE, SPARSE
from services.retrieval.store.spaces import FIRST_PLACE, KeptSpace


@dataclass(frozen=True, slots=True)
class Layout:
    """How collections are spread over the nodes; what is there already stays as it is."""

    replication_factor: int
    """Copies of each point; a single server keeps one whatever is asked."""
    write_consistency_factor: int
    """Copies that must be written before a write is acknowledged."""
    shard_number: int
    """Parts the points are spread over; 0 leaves it to the server: one a node."""


async def open_documents(
    nodes: Nodes,
    prefix: str,
    layout: Layout,
    clock: Clock,
    ranges: Iterable[tuple[str, FieldKind]] = (),
) -> Collection:
    """The collection `<prefix>_documents`, made when it is missing.

    `ranges` are fields of documents that are indexed besides.

    Several processes may do so at once. Raises STORE_UNAVAILABLE.
    """
    wanted = q.CreateCollection(collection_name=f"{prefix}_documents")
    indexes = (*_DOCUMENT_INDEXES, *starmap(_range, ranges))
    return await _open(nodes, wanted, indexes, layout, clock)


async def open_chunks(
    nodes: Nodes, prefix: str, kept: KeptSpace, layout: Layout, clock: Clock, *, may_make: bool = True
) -> Collection:
    """The collection of a space's chunks, made when it is missing, if it may be; as `open_documents`."""
    wanted = q.CreateCollection(
        collection_name=f"{prefix}_{kept.place}",
        vectors_config=q.VectorsConfig(
            params_map=q.VectorParamsMap(
                map={
                    # Half precision: cosines move by less than 1e-4, memory is halved.
                    DENSE: q.VectorParams(size=kept.space.dimensions, distance=q.Cosine, datatype=q.Float16)
                }
            )
        ),
        sparse_vectors_config=q.SparseVectorConfig(map={SPARSE: q.SparseVectorParams(modifier=q.Idf)}),
        # Every search names its tenant: a graph for each large tenant, none over all of them. Twice the links
        # and twice the care in making it that Qdrant takes by itself: of the ten nearest it finds 95 in 100
        # instead of 87 (docs/decisions/0008-server-store.md).
        hnsw_config=q.HnswConfigDiff(m=0, payload_m=32, ef_construct=200),
    )
    return await _open(nodes, wanted, _CHUNK_INDEXES, layout, clock, may_make=may_make)


async def drop_chunks(nodes: Nodes, prefix: str, kept: Group[str]) -> None:
    """Deletes the collections of chunks that are not at one of the places `kept`."""
    chunks = re.compile(rf"{re.escape(prefix)}_({FIRST_PLACE}(?:-[0-9a-f]{{8}})?)")
    found = await nodes.collections("List", q.ListCollectionsRequest())
    for name in (collection.name for collection in found.collections):
        named = chunks.fullmatch(name)
        if named and named[1] not in kept:
            await nodes.collections("Delete", q.DeleteCollection(collection_name=name))


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
_CHUNK_INDEXES = (_keyword("tenant", is_tenant=True), _keyword("attempt_id"), _keyword(LACKS))
_DOCUMENT_INDEXES = (
    _keyword("tenant", is_tenant=True),
    *map(_keyword, ("kind", "attempt_id", "live_attempt", "open_attempt", "token")),
    *map(_keyword, ("facts", "indexed_as", "language")),
    *map(_integer, ("is_open", "create_time")),
)


async def _open(
    nodes: Nodes,
    wanted: q.CreateCollection,
    indexes: Iterable[_Index],
    layout: Layout,
    clock: Clock,
    *,
    may_make: bool = True,
) -> Collection:
    name = wanted.collection_name
    if may_make and not await _exists(nodes, name):
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
