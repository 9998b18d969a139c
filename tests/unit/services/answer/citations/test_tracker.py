import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.citations.tracker import CitationTracker
from services.answer.model import Verdict
from tests.unit.services.answer.citations.support import passage, track

LEASE = passage(
    "The tenant may terminate the lease with 30 days' notice. The deposit is 1,400 euros.", "lease.md"
)
REPORT = passage("Revenue rose by 5.5 % in 2023. Costs fell by 3 % to 12 million euros.", "report.pdf")
MANUAL = passage("保修期为二十四个月。😀 The device is not waterproof.", "manual.txt", before="前言：😀\n")
PASSAGES = [LEASE, REPORT, MANUAL]


def cited(tracker: CitationTracker) -> list[tuple[str, int, Verdict]]:
    answer = tracker.answer
    return [
        (answer[c.answer_span.char_start : c.answer_span.char_end], c.source_number, c.verdict)
        for c in tracker.citations
    ]


def test_each_marker_cites_for_the_sentence_before_it() -> None:
    tracker = track(["The deposit is 1,400 euros [1]. Revenue rose by 5.5 % in 2023. [2] "], PASSAGES)
    assert tracker.answer == "The deposit is 1,400 euros. Revenue rose by 5.5 % in 2023."
    assert cited(tracker) == [
        ("The deposit is 1,400 euros", 1, Verdict.VERBATIM),
        ("Revenue rose by 5.5 % in 2023.", 2, Verdict.VERBATIM),
    ]
    assert tracker.groundedness == 1.0


def test_a_clause_is_cited_where_the_sentence_as_a_whole_is_not_carried() -> None:
    tracker = track(["Revenue rose by 5.5 % in 2023 [2] and the deposit is 1,400 euros [1][3]."], PASSAGES)
    assert cited(tracker)[:2] == [
        ("Revenue rose by 5.5 % in 2023", 2, Verdict.VERBATIM),
        ("the deposit is 1,400 euros", 1, Verdict.VERBATIM),
    ]
    assert [(s.supported, s.score) for s in tracker.sentences] == [(True, 1.0)]


def test_a_marker_before_its_sentence_waits_for_it() -> None:
    tracker = track(list("[1] The deposit is 1,400 euros. Something else."), PASSAGES)
    assert cited(tracker) == [("The deposit is 1,400 euros.", 1, Verdict.VERBATIM)]


def test_a_citation_comes_as_soon_as_it_is_known() -> None:
    tracker = CitationTracker(PASSAGES)
    assert tracker.feed("The deposit is 1,400 euros [1") == ["The deposit is 1,400 euros"]
    assert tracker.feed("]") == []
    citation, text = tracker.feed(".")
    assert text == "."
    assert citation == tracker.citations[0]


def test_of_a_file_the_passage_that_supports_best_is_cited() -> None:
    other = passage("Pets are allowed in the garden.", "lease.md", before="x" * 500)
    tracker = track(["Pets are allowed in the garden [Source: LEASE.md]."], [LEASE, other])
    assert cited(tracker) == [("Pets are allowed in the garden", 2, Verdict.VERBATIM)]


def test_invented_sources_are_rejected_and_never_cited() -> None:
    tracker = track(["The deposit is 1,400 euros [7] [Source: secret.pdf] [1, 0]."], PASSAGES)
    assert [r.marker for r in tracker.rejected] == ["[7]", "[Source: secret.pdf]", "[1, 0]"]
    assert {(r.answer_span.char_start, r.answer_span.char_end) for r in tracker.rejected} == {(26, 26)}
    assert cited(tracker) == [("The deposit is 1,400 euros", 1, Verdict.VERBATIM)]


def test_the_same_citation_is_given_once() -> None:
    tracker = track(["The deposit is 1,400 euros [1][1] [Source: lease.md]."], PASSAGES)
    assert len(tracker.citations) == 1


def test_a_hundred_citations_in_one_sentence() -> None:
    markers = "".join(f"[{number}]" for number in range(1, 101))
    tracker = track(list(f"The deposit is 1,400 euros {markers}."), PASSAGES)
    assert tracker.answer == "The deposit is 1,400 euros."
    assert (len(tracker.citations), len(tracker.rejected)) == (3, 97)


def test_spans_hold_in_code_points_and_bytes() -> None:
    tracker = track(list("😀 Über: 保修期为二十四个月 [3]。The deposit is 1,400 euros [1]."), PASSAGES)
    answer, encoded = tracker.answer, tracker.answer.encode()
    assert len(tracker.citations) == 2
    spans = [c.answer_span for c in tracker.citations] + [s.answer_span for s in tracker.sentences]
    for span in spans:
        assert encoded[span.byte_start : span.byte_end].decode() == answer[span.char_start : span.char_end]


def test_support_leaves_out_headings_and_introductions() -> None:
    tracker = track(
        ["# Lease\n\nTwo points:\n\n- The deposit is 1,400 euros.\n- Dogs may sing opera.\n"], PASSAGES
    )
    found = [tracker.answer[s.answer_span.char_start : s.answer_span.char_end] for s in tracker.sentences]
    assert found == ["The deposit is 1,400 euros.", "Dogs may sing opera."]
    assert [s.supported for s in tracker.sentences] == [True, False]
    assert tracker.groundedness == 0.5


def test_a_cited_sentence_is_measured_by_its_own_citation() -> None:
    tracker = track(["The deposit is 1,400 euros [2]."], PASSAGES)
    assert cited(tracker) == [("The deposit is 1,400 euros", 2, Verdict.UNSUPPORTED)]
    assert tracker.groundedness == 0.0


def test_the_long_part_of_the_end_comes_a_sentence_at_a_time() -> None:
    """What is prepared and what is not comes to the same; whoever prepares may stop between two sentences."""
    passages = [passage(f"Crane {n} lifts {n} tons. It was built in {1900 + n}.") for n in range(5)]
    answer = " ".join(f"Crane {n} lifts {n + n % 2} tons." for n in range(8))
    prepared, unprepared = CitationTracker(passages), CitationTracker(passages)
    for tracker in (prepared, unprepared):
        tracker.feed(answer)
    assert len(list(prepared.prepare())) == 8
    prepared.finish()
    unprepared.finish()
    assert prepared.sentences == unprepared.sentences
    assert {sentence.supported for sentence in prepared.sentences} == {True, False}


@pytest.mark.parametrize("passages", [[], PASSAGES])
def test_an_empty_answer_is_not_grounded(passages: list[object]) -> None:
    tracker = track([], PASSAGES if passages else [])
    assert (tracker.answer, tracker.citations, tracker.sentences, tracker.groundedness) == ("", [], [], 0.0)


ADVERSARIAL = [
    "The board resigned [Source: board-minutes.pdf, page 4].",
    "The deposit is 1,500 euros [1].",
    "The deposit is 1,400 euros [2][9999999999999999999999].",
    'It says "the tenant may terminate the lease with 90 days\' notice" [1].',
    'It says "the tenant may not terminate the lease with 30 days\' notice" [Source: lease.md].',
    "The device is waterproof [[3]].",
    "[[[1]]] Everything is free [Source: lease.md [1]].",
    "Everything is free [1-100000].",
    "Everything is free [1, [2], [3]].",
    "Everything is free" + "[1" * 150 + "]",
    "Everything is free " + "[" * 500,
    "Everything is free [Source: " + "[Source: " * 40,
]


@pytest.mark.parametrize("text", ADVERSARIAL)
def test_a_lying_model_gets_no_verbatim_citation(text: str) -> None:
    tracker = track(list(text), PASSAGES)
    assert [c.quote for c in tracker.citations if c.verdict is Verdict.VERBATIM] == []
    assert tracker.groundedness == 0.0
    assert not re.search(r"\[[\d, -]+\]|\[Source: [\w.-]+\]", tracker.answer)


PIECES = st.sampled_from(
    ["The deposit is 1,400 euros", "Revenue rose", "保修期为二十四个月", "😀", "e\u0301", " [1]", "[2, 3]",
     "[9]", ". ", "。", "\n\n", " [Source: lease.md]", "[Source: x]", " and ", "- ", "[", "]"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14), st.booleans())
def test_whatever_comes_spans_are_right_and_quotes_are_exact(pieces: list[str], by_character: bool) -> None:
    text = "".join(pieces)
    tracker = track(list(text) if by_character else [text], PASSAGES)
    encoded = tracker.answer.encode()
    for citation in tracker.citations:
        span, source = citation.answer_span, citation.source_span
        assert 0 <= span.char_start < span.char_end <= len(tracker.answer)
        assert (
            encoded[span.byte_start : span.byte_end].decode()
            == tracker.answer[span.char_start : span.char_end]
        )
        begin = source.char_start - citation.passage.span.char_start
        assert citation.passage.text[begin : begin + len(citation.quote)] == citation.quote
        assert source.byte_end - source.byte_start == len(citation.quote.encode())
    assert 0.0 <= tracker.groundedness <= 1.0
