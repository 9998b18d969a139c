"""A citation's surroundings come out of overlapping blocks; pages and headings out of the chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import Chunk, ChunkKey, PageRange, PageStart, Span
from services.retrieval.search.passages import headings_at, pages_of, stitch
from tests.contract.retrieval_samples import block

TEXT = "".join(chr(97 + i % 26) for i in range(60))
ATTEMPT = new_attempt_id()


@given(
    st.lists(st.tuples(st.integers(0, 55), st.integers(1, 30)), max_size=8),
    st.integers(0, 59),
    st.integers(1, 60),
)
def test_stitching_gives_the_text_up_to_the_first_gap(
    cuts: list[tuple[int, int]], start: int, length: int
) -> None:
    blocks = [block(at, TEXT[at : at + size]) for at, size in sorted(cuts)]
    end = min(start + length, len(TEXT))
    held = {position for item in blocks for position in range(item.span.char_start, item.span.char_end)}
    whole_until = next((position for position in range(start, end) if position not in held), end)
    found, byte_start = stitch(blocks, start, end)
    assert found == TEXT[start:whole_until]
    if found:
        assert byte_start == start


def piece(
    ordinal: int, start: int, end: int, pages: tuple[int, int] | None, starts: dict[int, int] | None = None
) -> Chunk:
    return Chunk(
        key=ChunkKey(ATTEMPT, ordinal),
        document_id="d",
        text="x" * (end - start),
        span=Span(start, end, start, end),
        pages=PageRange(*pages) if pages else None,
        page_starts=tuple(PageStart(page, at) for page, at in (starts or {}).items()),
        headings=(f"H{ordinal}",),
    )


CHUNKS = [
    piece(0, 2, 50, (1, 1)),
    piece(1, 40, 120, (1, 3), {2: 60, 3: 100}),
    piece(2, 130, 180, (4, 4), {4: 130}),
]


def test_pages_follow_the_page_starts_inside_chunks() -> None:
    assert pages_of(CHUNKS, 10, 20) == PageRange(1, 1)
    assert pages_of(CHUNKS, 55, 60) == PageRange(1, 1), (
        "the character before a page start is of the page before"
    )
    assert pages_of(CHUNKS, 55, 61) == PageRange(1, 2)
    assert pages_of(CHUNKS, 100, 140) == PageRange(3, 4)
    assert pages_of(CHUNKS, 122, 128) == PageRange(3, 3), "between two chunks"
    assert pages_of(CHUNKS, 0, 2) == PageRange(1, 1), "before the first chunk"
    assert pages_of([piece(0, 0, 50, None)], 10, 20) is None
    assert pages_of([], 10, 20) is None


def test_headings_are_those_of_the_last_chunk_that_began() -> None:
    assert headings_at(CHUNKS, 45) == ("H1",)
    assert headings_at(CHUNKS, 39) == ("H0",)
    assert headings_at(CHUNKS, 125) == ("H1",)
    assert headings_at(CHUNKS, 1) == ()
