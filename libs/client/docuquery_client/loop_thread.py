"""An event loop in a thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

R = TypeVar("R")

_ENDING_SECONDS = 1.0
"""For what was begun to end by itself once the loop is to be closed."""


class LoopThread:
    """Runs coroutines for any thread, until it is closed."""

    def __init__(self, name: str) -> None:
        self._pid = os.getpid()
        self._closed = False
        self._accepting = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str:
        """Why it runs nothing; empty when it does."""
        if self._closed:
            return "this client is closed"
        if os.getpid() != self._pid:
            # A fork takes no threads along, so nobody here turns the loop.
            return "this client was made before this process was forked: make one in each process"
        return ""

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """What `coroutine` gives. Raises what it raises; RuntimeError when closed, before it or meanwhile."""
        with self._accepting:
            # Whatever is begun before the loop is closed is waited for then: nobody waits for ever.
            if fault := self.fault:
                coroutine.close()
                raise RuntimeError(fault)
            future = self._begin(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError(self.fault or "the call was cancelled") from None
        except BaseException:
            future.cancel()  # Ctrl-C while waiting must not leave the call running
            raise

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Runs `last`, lets all that was begun end, and ends the thread. Once closed it stays so."""
        with self._accepting:
            if self.fault:
                last.close()
                return
            self._closed = True
        self._begin(self._end(last)).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _begin(self, coroutine: Coroutine[Any, Any, R]) -> Future[R]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        await last
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, stuck = await asyncio.wait(left, timeout=_ENDING_SECONDS)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
