"""Words, their keys and places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.language.words import canonical_number, content_keys, words


@given(st.text(max_size=300))
def test_words_lie_in_the_text_in_order_and_have_keys(text: str) -> None:
    before = -1
    for word in words(text):
        assert before < word.start < word.end <= len(text)
        assert word.key
        assert not text[word.start : word.end].isspace()
        before = word.start


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1,400", "1400"),
        ("432,000", "432000"),
        ("1.234.567", "1234567"),
        ("1’400", "1400"),
        ("12\u202f500", "12500"),
        ("4.80", "4.80"),
        ("4,8", "4.8"),
        ("1,234.50", "1234.50"),
        ("20th", "20"),
        ("10:30", "10:30"),
        ("4.3.0", "4.3.0"),
    ],
)
def test_numbers_are_compared_without_their_grouping(written: str, expected: str) -> None:
    assert canonical_number(written) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("located", "locates"),
        ("wrote", "written"),
        ("company's", "companies"),
        ("Éole", "eole"),
        ("Zürich", "ZURICH"),
        ("two", "2"),
        ("U.S.", "US"),
        ("INC-204", "INC204"),
        ("ﬁne", "fine"),
        ("children", "child"),
    ],
)
def test_forms_of_one_word_share_a_key(one: str, other: str) -> None:
    assert [word.key for word in words(one)] == [word.key for word in words(other)]


@pytest.mark.parametrize(
    ("one", "other"), [("INC-204", "INC-205"), ("4.8", "48"), ("-", "x"), ("policy", "police")]
)
def test_different_words_have_different_keys(one: str, other: str) -> None:
    assert [word.key for word in words(one)] != [word.key for word in words(other)]


def test_chinese_gives_overlapping_pairs() -> None:
    assert content_keys("会社の規則") == ["会社", "社の", "の規", "規則"]


def test_combining_marks_stay_with_their_letter() -> None:
    assert [word.key for word in words("हिन्दी नहीं")] == ["हिन्दी", "नहीं"]
    assert len(words("e\u0301cole")) == 1


def test_function_words_are_marked_but_shouted_names_are_not() -> None:
    marks = {word.key: word.is_stop for word in words("Who is in the US and in IT")}
    assert marks["us"] is False
    assert marks["it"] is False
    assert marks["the"] is True


def test_identifiers_count_as_numbers_so_that_a_wrong_one_is_noticed() -> None:
    assert [word.is_number for word in words("INC-204 twelve 12 word")] == [True, True, True, False]
