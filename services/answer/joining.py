"""Joins pieces of text that come faster than it is worth sending them one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from services.answer.events import Event

WINDOW_SECONDS = 0.002
"""After a piece was passed on, those that follow within this time go out together.

A message costs about 0.2 ms of work on its way through three processes. At the rate models write, 5 ms and
more between tokens, nothing is ever joined and nothing waits; what comes in bursts would queue up.
"""


async def joined(
    events: AsyncGenerator[Event, None], window_seconds: float = WINDOW_SECONDS
) -> AsyncGenerator[Event, None]:
    """The same events, with neighbouring pieces of text in one.

    A piece waits at most `window_seconds`, and only when another has just been passed on. Closing it does
    not close `events`.
    """
    loop = asyncio.get_running_loop()
    pieces: list[str] = []
    free_at = 0.0  # from then on a piece goes out at once
    coming: asyncio.Future[Event | None] | None = None
    try:
        while True:
            if pieces:
                if coming is None:
                    coming = asyncio.ensure_future(anext(events, None))
                await asyncio.wait({coming}, timeout=max(0.0, free_at - loop.time()))
                if not coming.done():
                    yield _taken(pieces)
                    free_at = loop.time() + window_seconds
                    continue
            try:
                event = await (coming if coming is not None else anext(events, None))
            except Exception:
                if pieces:
                    yield _taken(pieces)  # it was written before the failure
                raise
            coming = None
            if isinstance(event, str):
                pieces.append(event)
                if loop.time() < free_at:
                    continue
            if pieces:
                yield _taken(pieces)
                free_at = loop.time() + window_seconds
            if event is None:
                return
            if not isinstance(event, str):
                yield event
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await coming


def _taken(pieces: list[str]) -> str:
    text = "".join(pieces)
    pieces.clear()
    return text
