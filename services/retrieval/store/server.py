"""The server store: two collections on a Qdrant server or cluster, shared by any number of processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from libs.clock import Clock
from services.retrieval.filter_fields import FilterField
from services.retrieval.store.manifest import VectorSpace
from services.retrieval.store.protocol import Stores
from services.retrieval.store.server_addresses import Address
from services.retrieval.store.server_chunks import ServerChunkStore
from services.retrieval.store.server_collections import Layout, open_collections
from services.retrieval.store.server_idf import IdfCache
from services.retrieval.store.server_index import RecordIndex
from services.retrieval.store.server_index_update import bring_up_to_date
from services.retrieval.store.server_manifest import open_server_manifest
from services.retrieval.store.server_nodes import open_nodes
from services.retrieval.store.server_records import ServerRecordStore
from services.retrieval.store.server_revisions import ServerRevisions
from services.retrieval.store.server_selection import Selector
from services.retrieval.store.server_texts import ServerTextStore
from services.retrieval.store.server_upkeep import ServerUpkeep


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where the store is and how it is laid out."""

    addresses: Sequence[Address]
    """The nodes; one is used until it is gone."""
    api_key: str
    """Empty: none is sent."""
    collection_prefix: str
    layout: Layout
    timeout_seconds: float
    """The longest one call may take, repetitions included."""
    filter_fields: Sequence[FilterField] = ()
    """Fields of the metadata that are indexed for ranges."""


@asynccontextmanager
async def open_server(options: ServerOptions, space: VectorSpace, clock: Clock) -> AsyncIterator[Stores]:
    """Opens the store, making its collections when they are missing; closes the connections on leaving.

    Raises STORE_UNAVAILABLE when no node answers, STORE_MISMATCH when the store was filled in another
    vector space.
    """
    async with open_nodes(options.addresses, options.api_key, options.timeout_seconds, clock) as nodes:
        index = RecordIndex(options.filter_fields)
        chunks, documents = await open_collections(
            nodes, options.collection_prefix, space.dimensions, options.layout, clock, index.keys
        )
        page_token_key = await open_server_manifest(documents, space)
        await bring_up_to_date(documents, index)
        selector = Selector(documents, index, clock)
        idf = IdfCache(chunks, clock)
        yield Stores(
            name="qdrant",
            chunks=ServerChunkStore(chunks, selector, idf),
            texts=ServerTextStore(documents),
            records=ServerRecordStore(documents, index, selector, clock),
            upkeep=ServerUpkeep(chunks, documents, idf),
            revisions=ServerRevisions(documents, clock),
            page_token_key=page_token_key,
            is_shared=True,
        )
