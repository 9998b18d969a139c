"""The stores the suites run on: Qdrant Edge, one Qdrant server, a cluster of three.

Servers start when a test first needs them and serve the whole session.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from qdrant_client import grpc as q

from benchmarks.qdrant_server import Servers
from libs.clock import Clock, SystemClock
from services.retrieval.filtering.fields import parse_filter_fields
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.server.connection.addresses import parse_addresses
from services.retrieval.store.server.connection.nodes import Nodes, open_nodes
from services.retrieval.store.server.layout import Layout
from services.retrieval.store.server.opening import ServerOptions, open_server
from services.retrieval.store.spaces import FIRST_PLACE, VectorSpace
from services.retrieval.store.stores import Stores
from tests.contract.qdrant_server import cluster, one_server

ENGINES = ("edge", "server", "cluster")

TIMEOUT_SECONDS = 20.0


class Targets:
    """Servers that were started, to be stopped when the session ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._started: dict[str, Servers] = {}

    def __enter__(self) -> Targets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def servers(self, engine: str) -> Servers:
        """The running `server` or `cluster`."""
        if engine not in self._started:
            start = {"server": one_server, "cluster": cluster}[engine]
            self._started[engine] = self._stack.enter_context(start(self._folder / engine))
        return self._started[engine]

    def opened(
        self,
        engine: str,
        folder: Path,
        space: VectorSpace,
        first_node: int = 0,
        *,
        may_begin: bool = False,
        clock: Clock | None = None,
    ) -> AbstractAsyncContextManager[Stores]:
        """The store of `engine` whose name, or place, is `folder`."""
        if engine == "edge":
            return open_edge(folder, space, may_begin=may_begin)
        options = self.options(engine, folder.name, first_node)
        return open_server(options, space, clock or SystemClock(), may_begin=may_begin)

    def options(self, engine: str, prefix: str, first_node: int = 0) -> ServerOptions:
        """How to open the store `prefix` on a server; `first_node` is the one to call at first."""
        addresses = parse_addresses(self.servers(engine).url)
        first_node %= len(addresses)
        return ServerOptions(
            addresses=(*addresses[first_node:], *addresses[:first_node]),
            api_key="",
            collection_prefix=prefix,
            layout=Layout(replication_factor=3, write_consistency_factor=2, shard_number=1),
            timeout_seconds=TIMEOUT_SECONDS,
            filter_fields=parse_filter_fields("number:number,day:time"),
        )

    def settings(self, engine: str, place: Path) -> dict[str, Any]:
        """Fields of the retrieval service's settings for the store at `place`."""
        if engine == "edge":
            return {}
        return {
            "vector_store": "qdrant",
            "qdrant_url": self.servers(engine).url,
            "qdrant_collection": place.name,
            "qdrant_timeout_seconds": TIMEOUT_SECONDS,
        }

    @asynccontextmanager
    async def fresh(self, engine: str, folder: Path, name: str = "contract") -> AsyncIterator[Path]:
        """Somewhere for an empty store of `engine`; `name` says for whom, since their dimensions differ."""
        if engine == "edge":
            yield folder
            return
        # Making collections in a cluster takes seconds, emptying them milliseconds.
        place = folder.parent / name
        await empty(self.options(engine, place.name))
        yield place

    @asynccontextmanager
    async def unshared(self, engine: str, folder: Path) -> AsyncIterator[Path]:
        """Somewhere for a store whose collections never held anything; dropped afterwards."""
        place = folder / f"t{secrets.token_hex(4)}"
        try:
            yield place
        finally:
            if engine != "edge":
                await drop(self.options(engine, place.name))


async def empty(options: ServerOptions) -> None:
    """Deletes every point of a store, if there is one, and the chunks of all vector spaces but the first."""
    first = f"{options.collection_prefix}_{FIRST_PLACE}"
    async with open_nodes(options.addresses, "", TIMEOUT_SECONDS, SystemClock()) as nodes:
        for name in await names_of(nodes, options):
            if name.startswith(f"{first}-"):
                await nodes.collections("Delete", q.DeleteCollection(collection_name=name))
                continue
            everything = q.PointsSelector(filter=q.Filter())
            request = q.DeletePoints(collection_name=name, wait=True, points=everything)
            await nodes.points("Delete", request)


async def drop(options: ServerOptions) -> None:
    """Removes a store's collections."""
    async with open_nodes(options.addresses, "", TIMEOUT_SECONDS, SystemClock()) as nodes:
        for name in await names_of(nodes, options):
            await nodes.collections("Delete", q.DeleteCollection(collection_name=name))


async def names_of(nodes: Nodes, options: ServerOptions) -> list[str]:
    """The collections of a store."""
    prefix = options.collection_prefix
    found = await nodes.collections("List", q.ListCollectionsRequest())
    return sorted(
        collection.name
        for collection in found.collections
        if collection.name.startswith((f"{prefix}_{FIRST_PLACE}", f"{prefix}_documents"))
    )
