"""Questions arrive in one spelling, on one line, with nothing hidden in them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.hygiene import clean_question, without_hidden

any_text = st.text(alphabet=st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x00 What\nis\tit?\x07 ", "What is it?"),
        ("Wo\r\nist\u2028das\x85?", "Wo ist das ?"),
        ("nai\u0308ve 世界 \U0001f600", "naïve 世界 \U0001f600"),
        ("pay\u200bment\ufeff \u202eterms\u2066", "payment terms"),
        ("a\U000e0069\U000e0067b", "ab"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
        ("\u1100\u1161", "가"),
    ],
)
def test_a_question_is_one_line_in_one_spelling(raw: str, clean: str) -> None:
    assert clean_question(raw) == clean


@given(any_text)
def test_a_clean_question_is_clean_already(raw: str) -> None:
    cleaned = clean_question(raw)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in cleaned)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    assert clean_question(cleaned) == cleaned


def test_hidden_characters_are_taken_out() -> None:
    hidden = "a\x00b\x1b[0m\u202ec\u200bd\ufeffe\U000e0041\U000e0101f\ud800"
    assert without_hidden(hidden) == "ab[0mcdef"
    assert without_hidden("a\r\nb\rc\u2028d") == "a\nb\nc\nd"


@given(any_text)
def test_what_is_visible_stays(text: str) -> None:
    assert without_hidden(without_hidden(text)) == without_hidden(text)
    shown = [char for char in text if unicodedata.category(char)[0] in "LNPS"]
    assert [char for char in without_hidden(text) if unicodedata.category(char)[0] in "LNPS"] == shown
