"""Sentence splitting: exact offsets always, sensible cuts in many languages and layouts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.language.sentences import SentenceKind, sentences


def split(text: str) -> list[str]:
    return [text[part.start : part.end] for part in sentences(text)]


PIECES = st.sampled_from(
    ["Dr. Smith paid.", "3.50", " ", "\n", "\n\n", "| a | b |\n", "|---|---|\n", "- item", "一句。", "第二！",
     "🦀", "e\u0301", "Nein?", "नमस्ते।", "U.S. ", "# Head\n", "Key: value", "…", '"Stop!" ', "1. One", "[3]",
     "\t", "صح؟", "\u2028"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200))
def test_sentences_are_ordered_trimmed_pieces_that_lose_no_letter(text: str) -> None:
    end = 0
    for part in sentences(text):
        assert end <= part.start < part.end <= len(text)
        piece = text[part.start : part.end]
        assert piece == piece.strip()
        end = part.end
    covered = "".join(split(text))
    letters = [c for c in text if c.isalpha()]
    # List numbers and letters ("a)") are markers, not text; nothing else may be missing.
    assert len([c for c in covered if c.isalpha()]) >= len(letters) - 3 * text.count("\n") - 3


@given(st.lists(PIECES, max_size=30).map("".join))
def test_blocks_are_numbered_in_order(text: str) -> None:
    blocks = [part.block for part in sentences(text)]
    assert blocks == sorted(blocks)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith came. He left.", ["Dr. Smith came.", "He left."]),
        ("It costs 3.50 euros. Pay now.", ["It costs 3.50 euros.", "Pay now."]),
        ("The U.S. Army came. It won.", ["The U.S. Army came.", "It won."]),
        ("They live in the U.S. The rest left.", ["They live in the U.S.", "The rest left."]),
        ("J. R. Tolkien wrote it.", ["J. R. Tolkien wrote it."]),
        ("See Fig. 3. No. 5 is fine.", ["See Fig. 3.", "No. 5 is fine."]),
        ("We said no. 5 days remain.", ["We said no. 5 days remain."]),
        ('"Stop!" he said. "Why?"', ['"Stop!" he said.', '"Why?"']),
        ("Am 3. Oktober ist frei. Dann nicht.", ["Am 3. Oktober ist frei.", "Dann nicht."]),
        ("Tools, z.B. Hammer, sind da. Gut.", ["Tools, z.B. Hammer, sind da.", "Gut."]),
        ("It works, e.g. here. Yahoo! is fine.", ["It works, e.g. here.", "Yahoo! is fine."]),
        ("He left.[3] She came.[citation needed] Ah.", ["He left.[3]", "She came.[citation needed]", "Ah."]),
        ("一个句子。第二个！第三？", ["一个句子。", "第二个！", "第三？"]),
        ("彼は「行く。」と言った。次。", ["彼は「行く。」", "と言った。", "次。"]),
        ("यह एक है। दूसरा।", ["यह एक है।", "दूसरा।"]),
        ("هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
        ("A line\nwrapped in the middle. Next.", ["A line\nwrapped in the middle.", "Next."]),
        ("No full stop", ["No full stop"]),
        ("", []),
        (" \n\n ", []),
    ],
)  # fmt: skip
def test_terminators_end_sentences_and_abbreviations_do_not(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_table_rows_list_items_headings_and_fields_stand_alone() -> None:
    text = (
        "# Sites\n\n| Site | Anchor day |\n|------|-----|\n| Porto | Thursday |\n\n"
        "- First item. Still first\n  continued\n- Second\n2) Third\n\n"
        "Address:    Windlass Quay 7\nEmployees:  286\n"
    )
    found = [(part.kind, text[part.start : part.end]) for part in sentences(text)]
    assert found == [
        (SentenceKind.HEADING, "Sites"),
        (SentenceKind.TABLE_ROW, "| Site | Anchor day |"),
        (SentenceKind.TABLE_ROW, "| Porto | Thursday |"),
        (SentenceKind.LIST_ITEM, "First item."),
        (SentenceKind.LIST_ITEM, "Still first\n  continued"),
        (SentenceKind.LIST_ITEM, "Second"),
        (SentenceKind.LIST_ITEM, "Third"),
        (SentenceKind.FIELD, "Address:    Windlass Quay 7"),
        (SentenceKind.FIELD, "Employees:  286"),
    ]


def test_columns_of_figures_as_pdf_text_has_them_are_rows() -> None:
    text = "Key figure 2024 2023\nRevenue (EUR m) 68.4 61.9\nEquity ratio 54.6 % 52.8 %\n"
    assert split(text) == ["Key figure 2024 2023", "Revenue (EUR m) 68.4 61.9", "Equity ratio 54.6 % 52.8 %"]
    assert {part.kind for part in sentences(text)} == {SentenceKind.TABLE_ROW}


def test_two_spaces_after_full_stops_do_not_make_a_row() -> None:
    text = "One sentence here.  Another one there.  And a third."
    assert [part.kind for part in sentences(text)] == [SentenceKind.PROSE] * 3


def test_a_short_line_of_its_own_is_a_heading_and_a_wrapped_line_is_not() -> None:
    text = (
        "Home office allowance\nEmployees can claim money for a desk. The form is with\nMarta Lind in Porto."
    )
    kinds = [(part.kind, text[part.start : part.end]) for part in sentences(text)]
    assert kinds[0] == (SentenceKind.HEADING, "Home office allowance")
    assert kinds[-1] == (SentenceKind.PROSE, "The form is with\nMarta Lind in Porto.")


def test_a_heading_may_follow_a_line_that_ended_by_itself() -> None:
    text = (
        "Signed by Edda Marrowby and Josef Tarn\nKey Figures\n"
        "The figures below follow the accounts, which were audited by Pell.\n"
    )
    assert [(part.kind, text[part.start : part.end]) for part in sentences(text)][1:] == [
        (SentenceKind.HEADING, "Key Figures"),
        (SentenceKind.PROSE, "The figures below follow the accounts, which were audited by Pell."),
    ]
    wrapped = (
        "It was Edda Marrowby who met the man of the\nNorthern Lights\nAlliance, which then gave its name"
    )
    assert [part.kind for part in sentences(wrapped)] == [SentenceKind.PROSE]


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "1 " * 50_000, "( " * 50_000, ". " * 50_000, "A. " * 50_000, " " * 200_000]
)
def test_pathological_text_takes_linear_time(text: str) -> None:
    """The suite's own time limit fails this test when a pattern backtracks."""
    assert isinstance(sentences(text), list)
