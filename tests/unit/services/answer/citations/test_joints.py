"""No empty brackets, no commas between markers that vanished, no word lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.citations.joints import JoinedMarkers
from services.answer.citations.markers import Marker, MarkerEvent, Piece, VisibleText

PIECES = st.sampled_from(
    ["[1]", " [2]", "(", ")", " (", "see ", "（", "）", ", ", ",", " and ", "and", "，", "word", " ", "\n",
     ".", "[x]"]
)  # fmt: skip


def text_of(events: Sequence[MarkerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, VisibleText))


def parse(deltas: Sequence[str]) -> tuple[str, list[tuple[str, tuple[int, ...]]]]:
    """(clean text, for each marker the text before it and its numbers)."""
    parser = JoinedMarkers()
    events = [event for delta in deltas for event in parser.feed(delta)] + parser.finish()
    text = text_of(events)
    return text, [(text[: e.at], e.source_numbers) for e in events if isinstance(e, Marker)]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("One [1], [2].", "One."),
        ("One [1], [2], and [3].", "One."),
        ("One [1] and [2].\nTwo", "One.\nTwo"),
        ("One ([1]).", "One."),
        ("One ([1], [2]) and two.", "One and two."),
        ("One (see [1] and [2]).", "One."),
        ("一（见[1]、[2]）。二", "一。二"),
        ("([1]) One.", "One."),
        ("One ( [1] ).", "One."),
        ("One ([1]", "One"),
    ],
)
def test_what_joined_markers_goes_with_them(text: str, clean: str) -> None:
    assert parse([text])[0] == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Revenue rose [1], and [2] costs fell.", "Revenue rose, and costs fell."),
        ("As [1] and [2] say, it is.", "As and say, it is."),
        ("One [1], two [2]; and three", "One, two; and three"),
        ("One ([1] says so).", "One ( says so)."),
        ("One (two [1]) three", "One (two) three"),
        ("One (see below) and (a) f(x)", "One (see below) and (a) f(x)"),
        ("One [1] (two)", "One (two)"),
        ("One (", "One ("),
        ("One [1] and", "One and"),
        ("Smith [1], android", "Smith, android"),
    ],
)
def test_no_word_is_lost(text: str, clean: str) -> None:
    assert parse([text])[0] == clean


def test_markers_stand_behind_what_is_shown_before_them() -> None:
    assert parse(["One ([1], [2]). Two [3] (three [1])"])[1] == [
        ("One", (1,)),
        ("One", (2,)),
        ("One. Two", (3,)),
        ("One. Two (three", (1,)),
    ]


def test_a_citation_of_the_provider_s_own_drops_nothing() -> None:
    parser = JoinedMarkers()
    events = [*parser.feed("One ("), *parser.mark(Piece(0, 0, 3), "q"), *parser.feed("), and")]
    events += [*parser.mark(Piece(0, 0, 3), "q"), *parser.feed("."), *parser.finish()]
    assert text_of(events) == "One (), and."
    assert [event.at for event in events if isinstance(event, Marker)] == [5, 11]


@given(st.lists(PIECES, max_size=20).map("".join), st.lists(st.integers(0, 100), max_size=8))
def test_the_split_into_deltas_does_not_matter(text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    deltas = [text[a:b] for a, b in pairwise(places)]
    assert parse(deltas) == parse([text]) == parse(list(text))


@given(st.lists(PIECES, max_size=20).map("".join))
def test_words_stay_in_their_order(text: str) -> None:
    shown = parse([text])[0]
    assert shown.count("word") == text.count("word")


@given(st.text(st.characters(blacklist_characters="[]【】［］〔〕〖〗⟦⟧")))
def test_text_without_markers_passes_unchanged(text: str) -> None:
    if "\n" * 100 not in text and len(text) < 100:
        assert parse([text])[0] == text.strip()
