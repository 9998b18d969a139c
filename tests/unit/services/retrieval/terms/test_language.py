"""Identifiers and writing without spaces become terms that questions and passages share."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.terms import language as language_terms
from services.retrieval.terms.bm25 import Bm25Encoder
from services.retrieval.terms.language import text_terms

ENCODER = Bm25Encoder("english")
JOINT = "\ua78f"


def identifiers(text: str) -> list[str]:
    return text_terms(text, is_question=True).identifiers.replace(JOINT, "~").split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Error ERR-4512.", ["ERR~4512"]),
        ("(ISO-9001:2015)", ["ISO~9001~2015"]),
        ("v2.3.1, then", ["v2~3~1"]),
        ("call a_b_c()", ["a~b~c"]),
        ("see § 12.3.", ["12~3", "section~12~3"]),
        ("§5", ["section~5"]),
        ("me@example.org", ["me~example~org"]),
        ("std::vector", ["std~vector"]),
        ("ERR\u20114512", ["ERR~4512"]),
        ("ＥＲＲ－４５１２", ["ERR~4512"]),  # full-width
        ("错误ERR-4512发生", ["ERR~4512"]),
        ("revenue of 1,234 and 1,250.5", ["1234", "1250~5"]),
        ("1,23", ["1~23"]),
        ("550e8400-e29b-41d4-a716-446655440000", ["550e8400~e29b~41d4~a716~446655440000"]),
    ],
)
def test_an_identifier_is_one_term_whatever_joins_its_parts(text: str, expected: list[str]) -> None:
    assert identifiers(text) == expected


@pytest.mark.parametrize(
    "text", ["state-of-the-art", "and/or", "End.Start", "4512", "9 - 5", "it's", "x" * 90 + "-1", "..."]
)
def test_ordinary_words_are_no_identifiers(text: str) -> None:
    assert identifiers(text) == []


def test_characters_without_spaces_become_pairs_and_passages_hold_single_ones_too() -> None:
    question, passage = (text_terms("深度学习 ok", is_question=asked) for asked in (True, False))
    assert question.grams.split() == ["深度", "度学", "学习"]
    assert passage.grams.split() == ["深度", "度学", "学习", "深", "度", "学", "习"]
    assert question.words.split() == ["ok"]
    assert text_terms("猫", is_question=True).grams == "猫"


def test_thai_becomes_triples_without_tone_marks() -> None:
    assert text_terms("ไม่มี", is_question=True).grams.split() == ["ไมม", "มมี"]


def test_the_tokenizer_cuts_no_gram() -> None:
    """Every character of the scripts, between two letters, stays in one term."""
    for run in (language_terms._PAIRED, language_terms._TRIPLED):
        inside = re.compile(f"[{run}]")
        for code in (*range(0x0E00, 0x1800), *range(0x3000, 0xFB00, 7)):
            if inside.match(chr(code)) and chr(code).isprintable():
                gram = f"人{chr(code)}山".translate(language_terms._MARKS)
                assert len(ENCODER._grams.embed_query(gram).indices) == 1, hex(code)


@given(st.text(max_size=200))
def test_any_text_can_be_taken_apart_and_all_of_its_question_is_in_it(text: str) -> None:
    """A passage holds every term of the question that repeats it word by word."""
    assert set(ENCODER.query(text).indices) <= set(ENCODER.document(text, "").indices)
