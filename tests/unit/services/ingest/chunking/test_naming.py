"""What a document is called where its passages are embedded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.chunking.naming import label_of


def test_a_title_is_enough() -> None:
    """Whatever the file is called, with pages or without."""
    assert label_of("Harbour Ltd", "HARBOUR_2022_10K.pdf", 90) == "Harbour Ltd"
    assert label_of("Harbour Ltd", "HARBOUR_2022_10K.md", 0) == "Harbour Ltd"


@pytest.mark.parametrize(
    ("filename", "label"),
    [
        ("HARBOUR_2022_10K.pdf", "HARBOUR 2022 10K"),
        ("AnnualReport-2022.final.pdf", "Annual Report 2022 final"),
        ("Große Prüfung – Entwurf.pptx", "Große Prüfung Entwurf"),
        ("12.pdf", ""),
        ("p_7.pdf", ""),
        ("9f86d081884c7d65.pdf", ""),
        ("20220131120000.pdf", ""),
        ("_.pdf", ""),
    ],
)
def test_pages_without_a_title_are_called_by_the_file_if_its_name_has_words(
    filename: str, label: str
) -> None:
    """Numbers and hashes are no names."""
    assert label_of("", filename, 3) == label


def test_a_file_without_pages_and_title_has_no_name() -> None:
    """It is short, and says what it is about."""
    assert label_of("", "office-guide.txt", 0) == ""


@given(st.text(max_size=300), st.text(min_size=1, max_size=255), st.integers(0, 3))
def test_a_label_is_bounded_whatever_the_file_is_called(title: str, filename: str, pages: int) -> None:
    """Also for what nobody would call a file."""
    assert len(label_of(title, filename, pages)) <= 300
