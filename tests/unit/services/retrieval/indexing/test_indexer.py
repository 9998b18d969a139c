"""Text is cut into blocks that join again, and chunks are embedded with what they are about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.indexing.indexer import blocks_of, contextual_text
from services.retrieval.model import Span
from services.retrieval.search.passages import stitch
from tests.contract.retrieval_samples import chunk

PLAIN = replace(chunk(new_attempt_id(), 0), text="The text.", title="", headings=())


@pytest.mark.parametrize(
    ("title", "headings", "expected"),
    [
        ("", (), "The text."),
        ("Guide", (), "Guide\nThe text."),
        ("Guide", ("Install", "Linux"), "Guide › Install › Linux\nThe text."),
        ("Guide", ("Guide", "Linux"), "Guide › Linux\nThe text."),
        (" ", ("Install",), "Install\nThe text."),
    ],
)
def test_what_is_embedded_names_title_and_headings(
    title: str, headings: tuple[str, ...], expected: str
) -> None:
    assert contextual_text(replace(PLAIN, title=title, headings=headings)) == expected


@given(st.text(min_size=1, max_size=50), st.integers(1, 900), st.integers(0, 10**6), st.data())
def test_blocks_are_bounded_in_order_and_join_to_the_text(
    unit: str, times: int, start: int, data: st.DataObject
) -> None:
    text = unit * times
    span = Span(start, start + len(text), 2 * start, 2 * start + len(text.encode()))
    blocks = list(blocks_of(text, span))
    assert "".join(block.text for block in blocks) == text
    assert all(1 <= len(block.text) <= 8192 for block in blocks)
    position, byte_position = span.char_start, span.byte_start
    for block in blocks:
        assert (block.span.char_start, block.span.byte_start) == (position, byte_position)
        position += len(block.text)
        byte_position += len(block.text.encode())
        assert (block.span.char_end, block.span.byte_end) == (position, byte_position)
    first = data.draw(st.integers(0, len(text) - 1))
    last = data.draw(st.integers(first + 1, len(text)))
    found, byte_start = stitch(blocks, start + first, start + last)
    assert found == text[first:last]
    assert byte_start == 2 * start + len(text[:first].encode())
