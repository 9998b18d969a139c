"""What goes into a prompt fits, repeats nothing, and leads back to the passages of the request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.answer.citations.tracker import CitationTracker
from services.answer.model import Passage, Turn, Verdict
from services.answer.packing.pack import LeftOut, PackedContext, pack, source_cost
from services.answer.providers.protocol import Capabilities
from services.answer.tokens import upper_estimate
from tests.unit.services.answer.packing.support import cut
from tests.unit.services.answer.support import passage, turn

UNKNOWN = Capabilities()


def window(tokens: int) -> Capabilities:
    return Capabilities(context_window_tokens=tokens, answer_tokens=100)


def packed(
    passages: list[Passage], history: list[Turn], capabilities: Capabilities = UNKNOWN
) -> PackedContext:
    return pack(passages, history, 500, capabilities, merged=True)


def test_a_repeated_text_goes_in_once_and_leads_back_to_the_request() -> None:
    texts = ("one", "two", "one", "three")
    passages = [passage(text, name=f"{index}.md") for index, text in enumerate(texts)]
    found = packed(passages, [turn("Who?")])
    assert [p.text for p in found.sources] == ["one", "two", "three"]
    assert [found.origin(i, p.span)[0] for i, p in enumerate(found.candidates)] == [1, 2, 4]
    assert not found.left_out
    assert len(found.history) == 1


def test_what_does_not_fit_is_named_and_the_best_always_goes_in() -> None:
    passages = [passage(c * 1500, name=f"{c}.md") for c in "abc"]
    found = packed(passages, [turn("Who?" * 500)], window(900))
    assert [p.filename for p in found.sources] == ["a.md"]
    assert found.left_out == LeftOut((2, 3), 1, 900)
    assert found.history == ()


def test_a_smaller_passage_may_fit_where_a_better_one_did_not() -> None:
    passages = [passage("a" * 300, name="a"), passage("b" * 3000, name="b"), passage("c" * 300, name="c")]
    found = packed(passages, [], window(1000))
    assert [p.filename for p in found.sources] == ["a", "c"]
    assert found.left_out.numbers == (2,)


def test_the_newest_turns_keep_a_quarter_of_the_room_and_win_what_is_left() -> None:
    passages = [passage(c * 600, name=c) for c in "abcdefgh"]
    turns = [turn("old " * 300), turn("middle " * 20), turn("new " * 20)]
    found = packed(passages, turns, window(1600))
    assert [t.question[:3] for t in found.history] == ["mid", "new"]
    assert len(found.sources) == 3
    assert found.left_out == LeftOut((4, 5, 6, 7, 8), 1, 1600)
    alone = packed(passages[:1], turns, window(1600))
    assert [t.question[:3] for t in alone.history] == ["old", "mid", "new"]


def test_neighbours_share_a_number_and_their_citations_keep_their_own_chunks() -> None:
    text = "The fee is five euros. It is due in May. Nobody is exempt from the fee in any year."
    first, last = cut(text, [(0, 48), (41, len(text))])
    other = passage("The canteen opens at eight.", name="c.md")
    found = packed([last, other, first], [])
    assert [p.text for p in found.sources] == [text, other.text]
    tracker = CitationTracker(found.candidates, found.groups)
    tracker.feed(
        "The fee is five euros [1]. It is due in May. Nobody is exempt from the fee in any year [1]. "
    )
    tracker.feed("Nobody is exempt from the fee in any year [1]. The canteen opens at eight [2].")
    tracker.finish()
    cited = [(found.origin(c.source_number - 1, c.source_span), c) for c in tracker.citations]
    assert [number for (number, _), _ in cited] == [3, 1, 1, 2]
    assert [p.chunk_id for (_, p), _ in cited] == [p.chunk_id for p in (first, last, last, other)]
    for _, citation in cited:
        assert citation.verdict is Verdict.VERBATIM
    for (_, origin), citation in cited[:3]:
        span = citation.source_span
        assert text[span.char_start : span.char_end] == citation.quote
        assert origin.span.char_start <= span.char_start


def test_a_quote_over_the_border_of_two_chunks_is_found_and_given_to_the_chunk_with_most_of_it() -> None:
    text = "Requests are answered within thirty working days after they have been received by the office."
    first, last = cut(text, [(0, 30), (30, len(text))])
    found = packed([first, last], [])
    tracker = CitationTracker(found.candidates, found.groups)
    tracker.feed(f"{text[:-1]} [1].")
    tracker.finish()
    [citation] = tracker.citations
    assert citation.verdict is Verdict.VERBATIM
    assert text[citation.source_span.char_start : citation.source_span.char_end] == citation.quote
    assert found.origin(citation.source_number - 1, citation.source_span) == (2, last)


def test_without_merging_neighbours_stay_apart() -> None:
    passages = cut("Alpha one. Beta two.", [(0, 10), (10, 20)])
    found = pack(passages, [], 500, UNKNOWN, merged=False)
    assert [p.text for p in found.sources] == [p.text for p in passages]


@given(
    st.lists(st.text(max_size=400), min_size=1, max_size=12),
    st.lists(st.text(max_size=200), max_size=4),
    st.integers(min_value=1, max_value=6000),
)
def test_what_is_packed_fits_the_window_unless_it_is_the_best_passage_alone(
    texts: list[str], questions: list[str], tokens: int
) -> None:
    passages = [passage(text, name=f"{index}") for index, text in enumerate(texts)]
    history = [turn(question) for question in questions]
    found = packed(passages, history, window(tokens))
    assert found.sources
    assert len(found.history) + found.left_out.turns == len(history)
    assert list(found.history) == history[found.left_out.turns :]
    spent = sum(map(source_cost, found.sources)) + 600
    spent += sum(upper_estimate(t.question) + upper_estimate(t.answer) for t in found.history)
    assert spent <= tokens or (len(found.sources) == 1 and not found.history)
    for index, candidate in enumerate(found.candidates):
        number, origin = found.origin(index, candidate.span)
        assert passages[number - 1] is origin
