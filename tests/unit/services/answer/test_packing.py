"""What goes into a prompt fits, repeats nothing, and keeps its numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.answer.packing import pack
from services.answer.providers.protocol import Capabilities
from services.answer.tokens import upper_estimate
from tests.unit.services.answer.support import passage, turn

UNKNOWN = Capabilities()


def test_a_repeated_text_goes_in_once_and_numbers_stay_those_of_the_request() -> None:
    passages = [passage("one"), passage("two"), passage("one", name="b.md"), passage("three")]
    packed = pack(passages, [turn("Who?")], "Why?", UNKNOWN, 100)
    assert [p.text for p in packed.passages] == ["one", "two", "three"]
    assert packed.numbers == (1, 2, 4)
    assert packed.left_out == 0
    assert len(packed.history) == 1


def test_passages_that_do_not_fit_are_left_out_and_counted_and_the_best_always_goes_in() -> None:
    window = Capabilities(context_window_tokens=2000)
    packed = pack([passage(c * 1500) for c in "abc"], [turn("Who?" * 500)], "Why?", window, 400)
    assert packed.numbers == (1,)
    assert packed.left_out == 2
    assert packed.history == ()


def test_the_newest_turns_win_the_room_that_is_left() -> None:
    window = Capabilities(context_window_tokens=1200 + 100 + 60 + 700)
    turns = [turn("old " * 300), turn("middle " * 100), turn("new " * 100)]
    packed = pack([passage("x")], turns, "Why?", window, 100)
    assert [t.question[:3] for t in packed.history] == ["mid", "new"]


@given(
    st.lists(st.text(max_size=400), min_size=1, max_size=12),
    st.integers(min_value=1, max_value=6000),
)
def test_what_is_packed_fits_the_window_unless_it_is_the_best_passage_alone(
    texts: list[str], window: int
) -> None:
    packed = pack([passage(t) for t in texts], [], "Why?", Capabilities(context_window_tokens=window), 50)
    assert packed.passages
    assert len(packed.passages) + packed.left_out == len(set(texts))
    if len(packed.passages) > 1:
        assert sum(upper_estimate(p.text) for p in packed.passages) < window
