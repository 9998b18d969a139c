"""The scripted model server on a loop of its own, for callers that are no coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract.llm_server import LlmServer, Step


@contextmanager
def model_server(*steps: Step) -> Iterator[LlmServer]:
    """A server that replies to every request with `steps`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = LlmServer()
    server.play(*steps)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
