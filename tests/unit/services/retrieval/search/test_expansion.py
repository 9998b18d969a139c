"""Neighbours of a passage: exactly the document's text, merged where they touch, one call to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.indexing.indexer import blocks_of
from services.retrieval.model import Chunk, ChunkKey, PageRange, PageStart, Span
from services.retrieval.search.expansion import Expander, Window, windows
from services.retrieval.store.protocol import TextBlock

ATTEMPT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


def key(ordinal: int, attempt: str = ATTEMPT) -> ChunkKey:
    return ChunkKey(attempt, ordinal)


@dataclass
class Document:
    """A text cut into chunks, as a store gives them out; counts the calls."""

    text: str
    chunks: Mapping[ChunkKey, Chunk]
    fetches: list[Sequence[ChunkKey]] = field(default_factory=list)
    reads: int = 0
    blocks_are_gone: bool = False

    async def fetch(self, _tenant: str, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        self.fetches.append(keys)
        return {k: self.chunks[k] for k in keys if k in self.chunks}

    async def read(self, _tenant: str, _attempt: str, start: int, end: int) -> Sequence[TextBlock]:
        self.reads += 1
        whole = Span(0, len(self.text), 0, len(self.text.encode()))
        if self.blocks_are_gone:
            return []
        return [b for b in blocks_of(self.text, whole) if b.span.char_start < end and b.span.char_end > start]

    @property
    def expander(self) -> Expander:
        return Expander(self, self)  # type: ignore[arg-type]  # the two methods it uses


def document(pieces: Sequence[tuple[str, str]], overlap: int = 0, per_page: int = 2) -> Document:
    """Chunks with what follows each of them (white space or nothing); chunk i is on page i // per_page."""
    text, chunks = "", {}
    for ordinal, (piece, gap) in enumerate(pieces):
        begin = max(0, len(text) - overlap) if ordinal and not pieces[ordinal - 1][1] else len(text)
        text += piece
        page = ordinal // per_page + 1
        starts = () if ordinal % per_page else (PageStart(page, len(text) - len(piece)),)
        span = Span(begin, len(text), len(text[:begin].encode()), len(text.encode()))
        chunks[key(ordinal)] = Chunk(
            key(ordinal), "d", text[begin:], span, PageRange(page, page), starts, (f"H{ordinal}",)
        )
        text += gap
    return Document(text, chunks)


PIECES = st.lists(
    st.tuples(st.text("aé漢😀.", min_size=1, max_size=9), st.sampled_from(["", " ", "\n\n", "\u2003\n"])),
    min_size=1,
    max_size=12,
)


@given(PIECES, st.integers(0, 4), st.integers(1, 3), st.data())
async def test_an_expanded_passage_is_the_text_of_its_span(
    pieces: list[tuple[str, str]], overlap: int, around: int, data: st.DataObject
) -> None:
    source = document(pieces, overlap)
    hits = data.draw(st.lists(st.sampled_from(sorted(source.chunks)), min_size=1, max_size=4, unique=True))
    wanted = windows(hits, around, {ATTEMPT: len(pieces)})
    found = await source.expander.fetch("t", wanted, {})
    assert len(source.fetches) == 1
    assert list(found) == [window.key for window in wanted]
    for window in wanted:
        chunk = found[window.key]
        span, last = chunk.span, source.chunks[key(window.last)].span
        assert chunk.text == source.text[span.char_start : span.char_end]
        assert chunk.text.encode() == source.text.encode()[span.byte_start : span.byte_end]
        assert (span.char_start, span.char_end) == (
            source.chunks[key(window.first)].span.char_start,
            last.char_end,
        )
        members = [source.chunks[k] for k in window.keys]
        assert chunk.pages == PageRange(window.first // 2 + 1, window.last // 2 + 1)
        assert list(chunk.page_starts) == [start for member in members for start in member.page_starts]
        assert chunk.headings == source.chunks[window.key].headings
    covered = [k for window in wanted for k in window.keys]
    assert len(covered) == len({*covered}), "no chunk is returned twice"
    assert {*hits} <= {*covered}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), st.integers(1, 3))
def test_windows_never_touch_and_stand_in_the_order_of_the_best(hits: list[int], around: int) -> None:
    found = windows([key(hit) for hit in hits], around, {ATTEMPT: 31})
    inside = sorted((window.first, window.last) for window in found)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(inside))
    best = [min(hits.index(hit) for hit in hits if w.first <= hit <= w.last) for w in found]
    assert [window.key.ordinal for window in found] == [hits[rank] for rank in best]
    assert best == sorted(best)


def test_other_documents_are_not_merged_and_edges_are_kept() -> None:
    found = windows([key(0), key(1, OTHER)], 2, {ATTEMPT: 1, OTHER: 3})
    assert found == [Window(key(0), 0, 0), Window(key(1, OTHER), 0, 2)]


def test_without_expansion_neighbours_stay_apart() -> None:
    assert windows([key(4), key(3)], 0, {}) == [Window(key(4), 4, 4), Window(key(3), 3, 3)]


async def test_what_is_known_is_not_fetched_again() -> None:
    source = document([("ab", ""), ("cd", ""), ("ef", "")])
    known = {key(1): source.chunks[key(1)]}
    await source.expander.fetch("t", [Window(key(1), 1, 1)], known)
    assert source.fetches == []
    found = await source.expander.fetch("t", [Window(key(1), 0, 2)], known)
    assert source.fetches == [[key(0), key(2)]]
    assert found[key(1)].text == "abcdef"
    assert source.reads == 0, "chunks that follow each other need no text from elsewhere"


@pytest.mark.parametrize(("missing", "text"), [(0, "cd ef"), (2, "ab cd"), (1, None)])
async def test_what_is_gone_meanwhile_ends_the_passage(missing: int, text: str | None) -> None:
    source = document([("ab", " "), ("cd", " "), ("ef", "")])
    source.chunks = {k: chunk for k, chunk in source.chunks.items() if k.ordinal != missing}
    found = await source.expander.fetch("t", [Window(key(1), 0, 2)], {})
    assert [chunk.text for chunk in found.values()] == ([text] if text else [])


async def test_without_the_text_between_the_chunk_stands_alone() -> None:
    source = document([("ab", " "), ("cd", "")])
    source.blocks_are_gone = True
    found = await source.expander.fetch("t", [Window(key(1), 0, 1)], {})
    assert found[key(1)] == source.chunks[key(1)]
