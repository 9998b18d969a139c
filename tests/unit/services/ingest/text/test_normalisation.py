"""The normalised form of text."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.text.normalisation import clean, clean_characters, one_line

ANY = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Mn"]),
        st.sampled_from("\n\r\t \ufb01a"),
    )
)


@settings(deadline=None)  # a busy machine is no fault
@given(ANY)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """The normalised form is stable."""
    assert clean(clean(text)) == clean(text)


@settings(deadline=None)  # a busy machine is no fault
@given(ANY)
def test_nothing_unwanted_survives(text: str) -> None:
    """NFC, encodable, no control characters but tab and newline, no exotic spaces, bounded blank runs."""
    cleaned = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode("utf-8")
    assert all(unicodedata.category(c) != "Cc" or c in "\n\t" for c in cleaned)
    assert all(unicodedata.category(c) != "Zs" or c == " " for c in cleaned)
    assert "\n\n\n\n" not in cleaned
    assert " " * 65 not in cleaned
    assert not any(line.endswith((" ", "\t")) for line in cleaned.split("\n"))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a\r\nb\rc\x0cd\u2028e", "a\nb\nc\nd\ne"),
        ("o\ufb03ce \ufb01t", "office fit"),
        ("co\xadop\u200berate", "cooperate"),
        ("e\u0301", "é"),
        ("a\xa0b\u2009c\u3000d", "a b c d"),
        ("x\x00\x07y\x1bz", "xyz"),
        ("visible\U000e0041\U000e0042", "visible"),
        ("a\u202eb\u200fc", "abc"),
        ("\ud800!", "\ufffd!"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("\n\n a  \n\n\n\n\nb\n\n", " a\n\n\nb"),
    ],
)
def test_characters_and_lines(raw: str, expected: str) -> None:
    """Each kind of replacement."""
    assert clean(raw) == expected


def test_characters_alone_keep_blanks() -> None:
    """The first step does not touch the layout."""
    assert clean_characters("  a  \r\n\r\n\r\n\r\n b") == "  a  \n\n\n\n b"


@pytest.mark.parametrize("unit", [" ", "\t ", "\n", " \n", "\r", "\u2009", "\ufb01", "a "])
def test_time_is_linear(unit: str) -> None:
    """Half a million characters of anything take well under a second of computing."""
    begin = time.process_time()
    clean(unit * (500_000 // len(unit)) + "x")
    assert time.process_time() - begin < 2


def test_one_line_shortens_at_the_limit() -> None:
    """White space is collapsed, what is cut off is marked."""
    assert one_line(" a\n\tb  c ", 10) == "a b c"
    assert one_line("abcdefghij", 5) == "abcd…"
