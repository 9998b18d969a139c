"""The server store: collections on a Qdrant server or cluster, shared by any number of processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.filtering.fields import FilterField
from services.retrieval.store.server.connection.addresses import Address
from services.retrieval.store.server.connection.nodes import open_nodes
from services.retrieval.store.server.documents.index import RecordIndex
from services.retrieval.store.server.documents.index_update import bring_up_to_date
from services.retrieval.store.server.documents.records import ServerRecordStore
from services.retrieval.store.server.documents.selection import Selector
from services.retrieval.store.server.documents.texts import ServerTextStore
from services.retrieval.store.server.layout import Layout, open_documents
from services.retrieval.store.server.manifest import open_server_manifest
from services.retrieval.store.server.revisions import ServerRevisions
from services.retrieval.store.server.spaces import Place, ServerSpaces
from services.retrieval.store.server.upkeep import ServerUpkeep
from services.retrieval.store.spaces import KeptSpaces, VectorSpace, require_space
from services.retrieval.store.stores import Stores


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
async def open_server(
    options: ServerOptions, space: VectorSpace, clock: Clock, *, may_begin: bool = False
) -> AsyncIterator[Stores]:
    """Opens the store, making its collections when they are missing; closes the connections on leaving.

    Raises STORE_UNAVAILABLE when no node answers; STORE_MISMATCH when the store was filled in another vector
    space, unless `may_begin`: then `space` is to be filled, too, by this process, which serves nobody, and by
    no other (STORE_UNAVAILABLE while there is one).
    """
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(
            open_nodes(options.addresses, options.api_key, options.timeout_seconds, clock)
        )
        prefix, layout = options.collection_prefix, options.layout
        index = RecordIndex(options.filter_fields)
        with _told_where(options.addresses):
            documents = await open_documents(nodes, prefix, layout, clock, index.keys)
        selector = Selector(documents, index, clock)
        place = Place(nodes, prefix, layout, documents, clock)
        spaces = ServerSpaces(place, selector, space, serves=not may_begin)
        if may_begin:
            await stack.enter_async_context(spaces.alone_at_work())
        manifest = await open_server_manifest(documents, KeptSpaces.first(space))
        if not may_begin:
            require_space(
                manifest.spaces,
                space,
                f"The store {prefix} on the Qdrant server",
                "run `docuquery admin reindex`, which embeds it anew while the services go on",
            )
        await bring_up_to_date(documents, index)
        await spaces.open(manifest.spaces)
        if not may_begin:
            await stack.enter_async_context(spaces.watching())
        yield Stores(
            name="qdrant",
            chunks=spaces.chunks(space),
            texts=ServerTextStore(documents),
            records=ServerRecordStore(documents, index, selector, clock),
            upkeep=ServerUpkeep(lambda: spaces.collections, documents, spaces.own_idf),
            spaces=spaces,
            revisions=ServerRevisions(documents, clock),
            page_token_key=bytes.fromhex(manifest.page_token_key),
            is_shared=True,
        )


@contextmanager
def _told_where(addresses: Sequence[Address]) -> Iterator[None]:
    """Who starts a service learns which server it is about; callers never do."""
    try:
        yield
    except DocuQueryError as error:
        if error.reason != reasons.ERROR_REASON_STORE_UNAVAILABLE:
            raise
        nodes = ", ".join(address.target for address in addresses)
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            f"The Qdrant server at {nodes} cannot be used; `store_failed` in the log says why. Start it, or "
            "correct QDRANT_URL (its gRPC port) and QDRANT_API_KEY.",
        ) from error
