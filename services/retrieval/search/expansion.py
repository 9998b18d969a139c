"""A passage with the chunks before and after it: which to fetch, and how their text becomes one again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.retrieval.model import Chunk, ChunkKey, PageRange, PageStart, Span
from services.retrieval.search.passages import stitch
from services.retrieval.store.protocol import ChunkStore, TextStore

MAX_EXPAND_CHUNKS = 3


@dataclass(frozen=True, slots=True)
class Window:
    """Chunks `first` to `last` (ordinals, both inclusive) of the attempt of `key`, the chunk found there."""

    key: ChunkKey
    first: int
    last: int

    @property
    def keys(self) -> Iterator[ChunkKey]:
        """All of them; ordinals behind the document's last chunk included."""
        return (ChunkKey(self.key.attempt_id, ordinal) for ordinal in range(self.first, self.last + 1))


def windows(keys: Sequence[ChunkKey], around: int, chunk_counts: Mapping[str, int]) -> list[Window]:
    """The chunks found, best first, each with `around` neighbours on both sides.

    With 0 around, each chunk stays by itself. Otherwise windows that overlap or follow each other without
    a chunk between them become one, in the place of the better one. `chunk_counts` is by attempt.
    """
    if not around:
        return [Window(key, key.ordinal, key.ordinal) for key in keys]
    merged: list[Window] = []
    for key in keys:
        last = chunk_counts[key.attempt_id] - 1
        new = Window(key, max(0, key.ordinal - around), min(last, key.ordinal + around))
        touching = [window for window in merged if _touch(window, new)]
        if not touching:
            merged.append(new)
            continue
        # The new one may close the gap between several; the best of them takes all.
        first = min(window.first for window in (new, *touching))
        last = max(window.last for window in (new, *touching))
        grown = Window(touching[0].key, first, last)
        merged = [grown if w is touching[0] else w for w in merged if w not in touching[1:]]
    return merged


def _touch(one: Window, other: Window) -> bool:
    return (
        one.key.attempt_id == other.key.attempt_id
        and one.first <= other.last + 1
        and other.first <= one.last + 1
    )


class Expander:
    """Fetches windows as chunks whose text is exactly the document's."""

    def __init__(self, chunks: ChunkStore, texts: TextStore) -> None:
        self._chunks = chunks
        self._texts = texts

    async def fetch(
        self, tenant: str, wanted: Sequence[Window], known: Mapping[ChunkKey, Chunk]
    ) -> dict[ChunkKey, Chunk]:
        """The chunk of each window by the key it was found by; those that are gone are left out.

        `known` chunks are not asked for again. All others come by one call to the store.
        """
        keys = {key: None for window in wanted for key in window.keys if key not in known}
        fetched = await self._chunks.fetch(tenant, list(keys)) if keys else {}
        there = {**known, **fetched}
        found = {}
        for window in wanted:
            if window.key in there:
                run = _run(window, there)
                found[window.key] = await self._joined(tenant, window.key, run)
        return found

    async def _joined(self, tenant: str, key: ChunkKey, run: Sequence[Chunk]) -> Chunk:
        hit = next(chunk for chunk in run if chunk.key == key)
        if len(run) == 1:
            return hit
        span = _span_of(run)
        text = _overlapped(run)
        if text is None:
            # What stands between two chunks (white space) is in no chunk.
            blocks = await self._texts.read(tenant, key.attempt_id, span.char_start, span.char_end)
            text, _ = stitch(blocks, span.char_start, span.char_end)
            if len(text) != span.char_end - span.char_start:
                return hit  # deleted while we read
        return replace(
            hit,
            text=text,
            span=span,
            pages=_pages_of(run),
            page_starts=tuple(sorted({start for c in run for start in c.page_starts}, key=_by_place)),
        )


def _by_place(start: PageStart) -> tuple[int, int]:
    return start.char_start, start.page


def _run(window: Window, there: Mapping[ChunkKey, Chunk]) -> list[Chunk]:
    """The chunks of the window next to the one found, as far as none is missing."""
    attempt, middle = window.key
    first = last = middle
    while first > window.first and ChunkKey(attempt, first - 1) in there:
        first -= 1
    while last < window.last and ChunkKey(attempt, last + 1) in there:
        last += 1
    return [there[ChunkKey(attempt, ordinal)] for ordinal in range(first, last + 1)]


def _span_of(run: Sequence[Chunk]) -> Span:
    """From the first's start to the farthest end (a chunk never ends before the one before it)."""
    first, last = run[0].span, max((chunk.span for chunk in run), key=lambda span: span.char_end)
    return Span(first.char_start, last.char_end, first.byte_start, last.byte_end)


def _overlapped(run: Sequence[Chunk]) -> str | None:
    """The text of chunks that overlap or follow each other at once; None when something lies between."""
    parts: list[str] = []
    position = run[0].span.char_start
    for chunk in run:
        if chunk.span.char_start > position:
            return None
        parts.append(chunk.text[position - chunk.span.char_start :])
        position = max(position, chunk.span.char_end)
    return "".join(parts)


def _pages_of(run: Collection[Chunk]) -> PageRange | None:
    pages = [chunk.pages for chunk in run if chunk.pages]
    if not pages:
        return None
    return PageRange(min(page.first for page in pages), max(page.last for page in pages))
