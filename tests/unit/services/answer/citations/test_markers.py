import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.answer.citations.markers import MAX_HELD_CHARACTERS, MarkerParser, Piece, VisibleText
from tests.unit.services.answer.citations.support import parse

PIECES = st.sampled_from(
    ["[", "]", "[1]", "[2, 3]", "[Source: a.md]", "[Source: ", "[12", " ", "\n", "word", ".", "(", "=", "`",
     "x[0]", "Sou", "😀", "e\u0301", "中文", "【2】", "[[1]]", "note", ",", "-", "7", "[ ]", "[t](u)"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "clean", "named"),
    [
        ("One [1].", "One.", [((1,), "")]),
        ("One. [1] Two.", "One. Two.", [((1,), "")]),
        ("One [1, 3] and", "One and", [((1, 3), "")]),
        ("One [1][2] two", "One two", [((1,), ""), ((2,), "")]),
        ("One [2-4].", "One.", [((2, 3, 4), "")]),
        ("One [Source: a.md].", "One.", [((), "a.md")]),
        ("One [source:a.md, page 3].", "One.", [((), "a.md, page 3")]),
        ("One [Sources: a.md; b.pdf].", "One.", [((), "a.md; b.pdf")]),
        ("One [Source: report [final].pdf].", "One.", [((), "report [final].pdf")]),
        ("One [Source: 2].", "One.", [((2,), "")]),
        ("One [Document 2].", "One.", [((2,), "")]),
        ("One [[1]].", "One.", [((1,), "")]),
        ("One [1, [2]].", "One.", [((1, 2), "")]),
        ("One [[1][2]].", "One.", [((1, 2), "")]),
        ("One [[[1]]].", "One.", [((1,), "")]),
        ("One [Source 1, Source 3].", "One.", [((1, 3), "")]),
        ("One [99].", "One.", [((99,), "")]),
        ("One [0].", "One.", [((0,), "")]),
        ("5 million[1].", "5 million.", [((1,), "")]),
        ("五百万[1]。下一", "五百万。下一", [((1,), "")]),
        ("五百万【1】其中", "五百万其中", [((1,), "")]),
        ("End.[1]Next", "End. Next", [((1,), "")]),
        ("[x [1] y]", "[x y]", [((1,), "")]),
        ("One\n\n[1] Two", "One\n\nTwo", [((1,), "")]),
        ("One [Source: a.md\nTwo", "One\nTwo", [((), "a.md")]),
    ],
)
def test_markers_are_taken_out(text: str, clean: str, named: list[tuple[tuple[int, ...], str]]) -> None:
    shown, markers = parse([text])
    assert shown == clean
    assert [(marker.source_numbers, marker.filename) for marker in markers] == named


@pytest.mark.parametrize(
    "text",
    [
        "see [note] here",
        "a[0] and array[0] and row_count[2] and m[0][1]",
        "x[1] = 5",
        "[text](https://example.com) [1](https://example.com)",
        "- [ ] open - [x] done",
        "`values = [1, 2]` and\n```\nz = [3]\n```\nend",
        "[source code] [1x] [-1] [1.5]",
        "a ] b [] c",
        "Smith v Jones [2014] EWCA Civ 5, and the years [1999-2004]",
    ],
)
def test_other_brackets_stay(text: str) -> None:
    assert parse([text]) == (text, [])


@pytest.mark.parametrize("text", ["One [", "One [1", "One [Sour", "One [Source: a.m", "One [2, ", "One [[1]"])
def test_a_half_marker_at_the_end_is_dropped(text: str) -> None:
    assert parse([text])[0] == "One"


def test_a_marker_longer_than_the_bound_is_text() -> None:
    text = "One [Source: " + "x" * MAX_HELD_CHARACTERS + "] two"
    assert parse([text]) == (text, [])


def test_a_marker_stands_where_its_text_ends() -> None:
    text, markers = parse(["😀 One [1] two [2]."])
    assert [text[: marker.at] for marker in markers] == ["😀 One", "😀 One two"]


def test_text_is_shown_before_a_marker_is_complete() -> None:
    parser = MarkerParser()
    assert parser.feed("One two [") == [VisibleText("One two")]
    assert parser.feed("note") == [VisibleText(" [note")]
    assert parser.finish() == []


@given(st.lists(PIECES, max_size=25).map("".join), st.lists(st.integers(0, 200), max_size=12))
@example("[[[1]]](", [3])
def test_the_split_into_deltas_does_not_matter(text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    deltas = [text[a:b] for a, b in pairwise(places)]
    assert parse(deltas) == parse([text]) == parse(list(text))


@given(st.lists(PIECES | st.text("[ x1", min_size=50, max_size=120), max_size=20))
def test_what_is_held_back_is_bounded(pieces: list[str]) -> None:
    parser = MarkerParser()
    for character in "".join(pieces):
        parser.feed(character)
        assert parser.held_characters <= MAX_HELD_CHARACTERS


@given(
    st.lists(st.sampled_from(["word ", "中文", "é. ", " [1]", "[2, 3]", " [Source: a.md]", "【4】", "\n"]))
)
def test_no_marker_is_left(pieces: list[str]) -> None:
    shown, _ = parse(["".join(pieces)])
    assert not re.search(r"\[|\]|【|Source", shown)


@given(st.text(st.characters(blacklist_characters="[]【】［］")))
def test_text_without_brackets_passes_unchanged(text: str) -> None:
    if not re.search(r"\s{100}", text):
        assert parse([text])[0] == text.strip()


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("One", "One"),
        ("One ", "One"),
        ("One.", "One."),
        ("One [", "One ["),
        ("One [note", "One [note"),
        ("One [[no", "One [[no"),
        ("One [1", "One [1"),
        ("One [1]", "One"),
    ],
)
def test_a_marker_from_outside_stands_behind_all_the_text_before_it(before: str, shown: str) -> None:
    parser = MarkerParser()
    events = (
        parser.feed(before) + parser.mark(Piece(2, 3, 9), "quoted") + parser.feed(" two.") + parser.finish()
    )
    texts = [event.text for event in events if isinstance(event, VisibleText)]
    assert "".join(texts) == f"{shown} two."
    last = [event for event in events if not isinstance(event, VisibleText)][-1]
    assert (last.at, last.piece, last.raw) == (len(shown), Piece(2, 3, 9), "quoted")
