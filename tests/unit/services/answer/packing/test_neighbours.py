"""Neighbours become one text whose offsets are those of the document."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.answer.model import Passage
from services.answer.packing.neighbours import merge
from tests.unit.services.answer.packing.support import cut, under

TEXT = "Alpha one. Beta two 😀. Gamma 漢字 three. Delta four.  Epsilon five. Zeta six."


def merged(passages: list[Passage]) -> list[tuple[str, tuple[int, ...], bool]]:
    return [(s.passage.text, s.members, s.is_exact) for s in merge(passages, range(len(passages)))]


def test_passages_that_overlap_or_touch_are_one_source_in_the_order_of_the_document() -> None:
    third, first, second = cut(TEXT, [(20, 38), (0, 10), (10, 24)])
    [source] = merge([third, first, second], range(3))
    assert source.passage.text == TEXT[0:38]
    assert source.members == (1, 2, 0)
    assert source.is_exact
    span = source.passage.span
    assert TEXT.encode()[span.byte_start : span.byte_end].decode() == source.passage.text
    assert source.passage.chunk_id == third.chunk_id  # the best one's


def test_consecutive_chunks_with_blanks_between_are_joined_but_not_exact() -> None:
    delta, epsilon = TEXT.index("Delta"), TEXT.index("Epsilon")
    passages = cut(TEXT, [(delta, delta + 11), (epsilon, epsilon + 13)])
    assert merged(passages) == [("Delta four.\n\nEpsilon five.", (0, 1), False)]
    [source] = merge(passages, range(2))
    assert len(source.passage.text) == source.passage.span.char_end - source.passage.span.char_start


def test_what_is_apart_stays_apart() -> None:
    far = cut(TEXT, [(0, 10), (11, 22), (41, 52)])
    assert [members for _, members, _ in merged([far[0], far[2]])] == [(0,), (1,)]
    near = cut(TEXT, [(0, 10), (10, 24)])
    for other in (
        replace(near[1], version="other"),
        replace(near[1], document_id="other"),
        under(near[1], "Another section"),
        replace(near[1], document_id=""),
    ):
        assert len(merge([near[0], other], range(2))) == 2
    assert len(merge([replace(p, document_id="") for p in near], range(2))) == 2


def test_chunks_whose_texts_contradict_their_spans_stay_apart() -> None:
    first, second = cut(TEXT, [(0, 14), (10, 24)])
    assert len(merge([first, replace(second, text="x" * 14)], range(2))) == 2


def test_sources_stand_in_the_order_of_their_best_members() -> None:
    a = cut(TEXT, [(11, 24), (0, 11)], name="a.md")
    b = cut(TEXT, [(0, 11)], name="b.md")
    assert [members for _, members, _ in merged([a[0], b[0], a[1]])] == [(2, 0), (1,)]


def test_pages_and_scores_cover_all_members() -> None:
    passages = cut(TEXT, [(0, 11), (11, 24)], pages=True)
    [source] = merge([replace(passages[0], score=0.2), passages[1]], range(2))
    assert source.passage.pages == (1, 2)
    assert source.passage.score == 0.5


@given(st.text("ab😀漢 \n.", min_size=1, max_size=60), st.data())
def test_a_merged_text_is_a_piece_of_the_document(text: str, data: st.DataObject) -> None:
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda p: p[0] < p[1])
    spans = data.draw(st.lists(places, min_size=1, max_size=6, unique=True))
    passages = [replace(p, ordinal=-1) for p in cut(text, spans)]
    sources = merge(passages, range(len(passages)))
    assert sorted(index for source in sources for index in source.members) == list(range(len(passages)))
    for source in sources:
        span = source.passage.span
        assert source.is_exact
        assert text[span.char_start : span.char_end] == source.passage.text
        assert text.encode()[span.byte_start : span.byte_end].decode() == source.passage.text
