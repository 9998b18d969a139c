"""A remote embedder made ready: its dimensions known, its cache open, both closed at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.clock import Clock
from services.retrieval.embedders.cache import FILE, VectorCache
from services.retrieval.embedders.cached import CachedEmbedder
from services.retrieval.embedders.openai import OpenAiEmbeddings
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.embedders.remote import Limits, RemoteEmbedder


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask for what."""

    model: str
    base_url: str = ""
    """Empty: OpenAI's own."""
    api_key: str = ""
    dimensions: int | None = None
    """Asked of the model; None leaves it the choice."""

    def __repr__(self) -> str:
        return f"Server(model={self.model!r}, base_url={self.base_url!r})"


@asynccontextmanager
async def open_openai(
    server: Server,
    limits: Limits,
    *,
    folder: Path,
    cache_bytes: int,
    clock: Clock,
    remaining_seconds: Callable[[], float],
) -> AsyncIterator[Embedder]:
    """Asks the server for the dimensions, once, and then yields.

    A server that cannot be reached stops nobody who knows them: from `server`, or from the cache in
    `folder` (`cache_bytes` 0: none). Raises EMBEDDER_UNAVAILABLE when nobody does.
    """
    async with AsyncExitStack() as stack:
        api = OpenAiEmbeddings(
            model=server.model,
            api_key=server.api_key,
            base_url=server.base_url,
            dimensions=server.dimensions,
            clock=clock,
        )
        stack.push_async_callback(api.aclose)
        rng = random.Random()  # noqa: S311 - jitter, not secrets
        remote = RemoteEmbedder(
            api, limits, dimensions=0, clock=clock, rng=rng, remaining_seconds=remaining_seconds
        )
        if not cache_bytes:
            await remote.learn_dimensions(server.dimensions)
            yield remote
            return
        thread = stack.enter_context(ThreadPoolExecutor(1, "embedding-cache"))
        in_thread = asyncio.get_running_loop().run_in_executor
        cache = await in_thread(thread, VectorCache, folder / FILE, cache_bytes, clock)
        stack.push_async_callback(lambda: in_thread(thread, cache.close))
        remembered = server.dimensions or await in_thread(thread, cache.dimensions, api.name)
        await remote.learn_dimensions(server.dimensions, remembered)
        await in_thread(thread, cache.remember_dimensions, api.name, remote.dimensions)
        yield CachedEmbedder(remote, cache, thread)
