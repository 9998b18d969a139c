"""A model that lies: it invents sources, changes words, breaks markers. Nothing of it may look proven.

The rules checked for everything it says: no crash; no marker left in the text; no VERBATIM citation for words
that do not stand in the source; no citation of a source that was not given; spans that are exact.
"""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.answer.citations.tracker import MAX_CITATIONS, CitationTracker
from services.answer.model import Verdict
from tests.unit.services.answer.citations.support import passage, track

LEASE = passage(
    "The tenant may terminate the lease with 30 days' notice. The deposit is 1,400 euros. "
    "No tenant may keep dogs.",
    "lease.md",
)
REPORT = passage("Revenue rose by 5.5 % in 2023. Costs fell by 3 % to 12 million euros.", "report.pdf")
MANUAL = passage(
    "保修期为二十四个月。😀 The device is not waterproof. "
    "כל הזכויות שמורות לחברה. Cafe\u0301s close at 22:00.",
    "manual.txt",
    before="前言：😀\n",
)
PASSAGES = [LEASE, REPORT, MANUAL]
MARKER_LEFT = re.compile(
    r"[\[【［〔]\s*(?:\^|#|sources?|doc)?\s*[:#]?\s*\d+(?:\s*[,;-]\s*\d+)*\s*[\]】］〕]", re.I
)
# What stays open for longer than is held back is text (see MAX_HELD_CHARACTERS).
LEFT_OPEN = re.compile(r"\[Source:[^\n]{150}")


FLIPPED = [
    "The deposit is not 1,400 euros [1].",
    "It is false that the deposit is 1,400 euros [1].",
    "The tenant may never terminate the lease with 30 days' notice [1].",
    "The tenant may hardly terminate the lease with 30 days' notice [1].",
    "The tenant is forbidden to terminate the lease with 30 days' notice [1].",
    "Nobody may terminate the lease with 30 days' notice [1].",
    "Tenant may keep dogs [1].",
    "tenant may keep dogs [1]",
    'It says that a "tenant may keep dogs" [1].',
    "The device is waterproof [3].",
    "保修期不为二十四个月[3]。",
    'It is not true that "the tenant may terminate the lease with 30 days\' notice" [1].',
]
CHANGED = [
    "The deposit is 1,500 euros [1].",
    "The deposit is 14,00 euros [1].",
    "The deposit is 1,400 dollars [1].",
    "The deposit is $1,400 [1].",
    "The landlord may terminate the lease with 30 days' notice [1].",
    "The tenant may terminate the lease with 30 weeks' notice [1].",
    'It says "the tenant may terminate the lease with 60 days\' notice" [1].',
    'It says "the tenant must terminate the lease with 30 days\' notice" [1].',
    'It says "the tenant may terminate the lease" and "the deposit is 1,400 dollars in all" [1].',
    "Revenue fell by 5.5 % in 2023 [2].",
    "Revenue rose by 3 % in 2023 [2].",
    "Costs rose by 3 % to 12 million euros [2].",
    "Costs fell by 3 % to 12 billion euros [2].",
    "Revenue rose by 5.5 % in 2022 [2].",
    "保修期为三十四个月[3]。",
    "保修期为二十四天[3]。",
    "Cafe\u0301s close at 23:00 [3].",
]


@pytest.mark.parametrize("text", FLIPPED + CHANGED)
def test_what_says_another_thing_is_unsupported(text: str) -> None:
    tracker = track(list(text), PASSAGES)
    assert [citation.verdict for citation in tracker.citations] == [Verdict.UNSUPPORTED]
    assert tracker.groundedness == 0.0


INVENTED = [
    "The deposit is 1,400 euros [4].",
    "The deposit is 1,400 euros [0].",
    "The deposit is 1,400 euros [９].",
    "The deposit is 1,400 euros [⑨].",
    "The deposit is 1,400 euros [99999999999999999999999999].",
    "The deposit is 1,400 euros [Source: board.pdf].",
    "The deposit is 1,400 euros [Source: board.pdf, page 4].",
    "The deposit is 1,400 euros 【9†L1-L3】.",
    "The deposit is 1,400 euros [Source: ../../etc/passwd].",
    "The deposit is 1,400 euros [来源：9].",
]


@pytest.mark.parametrize("text", INVENTED)
def test_an_invented_source_is_rejected_and_never_cited(text: str) -> None:
    tracker = track(list(text), PASSAGES)
    assert tracker.citations == []
    assert len(tracker.rejected) == 1
    assert tracker.answer == "The deposit is 1,400 euros."


WRITTEN = [
    "[１]", "[①]", "[١]", "［1］", "【1】", "〔1〕", "[ 1 ]", "[^1]", "[#1]", "[1.]",
    "[\u200b1]", "[1\u2060]", "[[1]]", "[1, 1]", "[1-1]", "[Source 1]", "[source: 1]",
    "[Source number 1]", "[Doc 1]", "[1†source]",
    "[1, p. 3]", "[Source: lease.md]", "[Source: LEASE.MD, page 2]", "[来源：1]", "[Quelle 1]",
    "[Source: 'lease.md']", "[Sources: lease.md]", "[1][1][1]",
]  # fmt: skip


@pytest.mark.parametrize("marker", WRITTEN)
def test_a_marker_is_understood_however_it_is_written(marker: str) -> None:
    tracker = track(list(f"The deposit is 1,400 euros {marker}."), PASSAGES)
    assert tracker.answer == "The deposit is 1,400 euros."
    assert [c.verdict for c in tracker.citations] == [Verdict.VERBATIM]
    assert tracker.rejected == []


HALF = ["[", "[1", "[1,", "[[1]", "[Source", "[Source:", "[Source: lease", "【", "【1†", "[①", "[^", "[来源"]


@pytest.mark.parametrize("half", HALF)
def test_a_half_marker_at_the_end_is_never_shown(half: str) -> None:
    shown = ""
    tracker = CitationTracker(PASSAGES)
    for character in f"The deposit is 1,400 euros {half}":
        shown += "".join(event for event in tracker.feed(character) if isinstance(event, str))
        assert "[" not in shown
        assert "【" not in shown
    tracker.finish()
    assert tracker.answer == "The deposit is 1,400 euros"


def test_more_citations_than_any_answer_needs_are_not_kept_and_leave_no_marker() -> None:
    passages = [passage(f"The firm has unit {number}.", f"{number}.md") for number in range(20)]
    tracker = track([f"The firm has unit {number % 20}[1-20]. " for number in range(50)], passages)
    assert len(tracker.citations) == MAX_CITATIONS
    assert "[" not in tracker.answer
    assert tracker.groundedness == 1.0  # what has no citation left is compared with every passage


def test_a_hundred_citations_in_one_sentence_are_checked_each_once() -> None:
    markers = "".join(f"[{number % 5}]" for number in range(100))
    tracker = track(list(f"The deposit is 1,400 euros {markers}."), PASSAGES)
    assert tracker.answer == "The deposit is 1,400 euros."
    assert [(c.source_number, c.verdict) for c in tracker.citations] == [
        (1, Verdict.VERBATIM),
        (2, Verdict.UNSUPPORTED),
        (3, Verdict.UNSUPPORTED),
    ]
    assert len(tracker.rejected) == 40


CODE = [
    (
        "```\nx = a[1]\n```\nThe deposit is 1,400 euros [1].",
        "```\nx = a[1]\n```\nThe deposit is 1,400 euros.",
    ),
    ("~~~\nz = [1]\n~~~\nThe deposit is 1,400 euros [1].", "~~~\nz = [1]\n~~~\nThe deposit is 1,400 euros."),
    ("Use `row[1]`. The deposit is 1,400 euros [1].", "Use `row[1]`. The deposit is 1,400 euros."),
    ("```markdown\nThe deposit is 1,400 euros [1].\n```", "```markdown\nThe deposit is 1,400 euros.\n```"),
    ("A ` stray one. \nThe deposit is 1,400 euros [1].", "A ` stray one. \nThe deposit is 1,400 euros."),
]


@pytest.mark.parametrize(("text", "shown"), CODE)
def test_code_keeps_its_indices_and_an_answer_wrapped_in_a_block_is_still_an_answer(
    text: str, shown: str
) -> None:
    tracker = track(list(text), PASSAGES)
    assert tracker.answer == shown
    assert Verdict.VERBATIM in [c.verdict for c in tracker.citations]


SENTENCES = [
    ("The tenant may terminate the lease with 30 days' notice", 1),
    ("The deposit is 1,400 euros", 1),
    ("Revenue rose by 5.5 % in 2023", 2),
    ("Costs fell by 3 % to 12 million euros", 2),
    ("The device is not waterproof", 3),
    ("保修期为二十四个月", 3),
    ("כל הזכויות שמורות לחברה", 3),
    ("Cafe\u0301s close at 22:00", 3),
]
MUTATIONS = st.sampled_from(["drop", "double", "swap", "not", "digit", "letter", "mark"])


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, int]:
    """A sentence of a source with one thing changed, and the source's number."""
    sentence, number = draw(st.sampled_from(SENTENCES))
    words = sentence.split(" ")
    place = draw(st.integers(0, len(words) - 1))
    match draw(MUTATIONS):
        case "drop":
            del words[place]
        case "double":
            words.insert(place, words[place])
        case "swap":
            words[place] = draw(st.sampled_from(["landlord", "never", "42", "😀", "漢字"]))
        case "not":
            words.insert(place, "not")
        case "digit":
            words[place] = re.sub(r"\d", lambda m: str((int(m.group()) + 1) % 10), words[place], count=1)
        case "letter":
            words[place] = words[place] + "x"
        case "mark":
            words[place] = words[place] + "\u0327"
    return " ".join(words), number


@given(mutated())
def test_changed_words_are_never_verbatim(case: tuple[str, int]) -> None:
    text, number = case
    source = PASSAGES[number - 1].text
    if text and text not in source:
        for said in (f"{text} [{number}].", f'It says: "{text}" [{number}].'):
            tracker = track(list(said), PASSAGES)
            for citation in tracker.citations:
                span = citation.answer_span
                proven = citation.verdict is Verdict.VERBATIM
                assert not proven or text not in tracker.answer[span.char_start : span.char_end]


PIECES = st.sampled_from(
    ["The deposit is 1,400 euros", "Revenue rose by 5.5 % in 2023", "保修期为二十四个月", "הזכויות שמורות",
     "not ", "never ", "😀", "e\u0301", " [1]", "[2, 3]", "[9]", "[①]", "【2】", "[[1]", ". ", "。", "\n\n",
     "\n", " [Source: lease.md]", "[Source: x", " and ", "- ", "[", "]", "`", "```\n", "~~~\n", '"', "“", "”",
     "1", "[1-999]", "\u200b", "\u202e", "(", "x[0]", "# "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=18), st.lists(st.integers(0, 400), max_size=14))
@example(["[[[1]]](", " [1]"], [3])
@example(["[Source: x", "[[1]", "[[1]"], [])
@example(["[Source: x", *["Revenue rose by 5.5 % in 2023 and "] * 8], [])
def test_whatever_comes_in_whatever_pieces_the_rules_hold(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    tracker = track([text[a:b] for a, b in pairwise(places)], PASSAGES)
    whole = track([text], PASSAGES)
    assert (tracker.answer, tracker.citations, tracker.rejected) == (
        whole.answer,
        whole.citations,
        whole.rejected,
    )
    encoded = tracker.answer.encode()
    for citation in tracker.citations:
        span, source = citation.answer_span, citation.source_span
        said = tracker.answer[span.char_start : span.char_end]
        assert encoded[span.byte_start : span.byte_end].decode() == said
        begin = source.char_start - citation.passage.span.char_start
        assert citation.passage.text[begin : begin + len(citation.quote)] == citation.quote
        assert source.byte_end - source.byte_start == len(citation.quote.encode())
        assert 1 <= citation.source_number <= len(PASSAGES)
    if "`" not in text and "~" not in text and "(" not in text and "x[0]" not in text:
        assert not MARKER_LEFT.search(tracker.answer)
        assert "[Source:" not in tracker.answer or LEFT_OPEN.search(text)
