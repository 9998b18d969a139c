"""What passages are found by besides their text: the title, and the words of the file name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.naming import label_of


@pytest.mark.parametrize(
    ("title", "filename", "label"),
    [
        ("", "remote-work.md", "remote work"),
        ("", "AnnualReport_2022.pdf", "Annual Report 2022"),
        ("Harbour Ltd", "HARBOUR_2022_10K.pdf", "Harbour Ltd 2022 10K"),
        ("Remote work", "remote-work.md", "Remote work"),
        ("", "Große Prüfung – Entwurf.docx", "Große Prüfung Entwurf"),
        ("", "minutes minutes.v2.txt", "minutes v2"),
    ],
)
def test_the_title_comes_first_then_what_only_the_file_name_says(
    title: str, filename: str, label: str
) -> None:
    """Whatever stands between the words; nothing twice."""
    assert label_of(title, filename) == label


@pytest.mark.parametrize(
    "filename",
    ["12.md", "0001.pdf", "p_7.pdf", "9f86d081884c7d65.txt", "20220131120000.csv", ".md", "_.txt"],
)
def test_a_file_name_without_words_says_nothing(filename: str) -> None:
    """Numbers and hashes are no names."""
    assert label_of("", filename) == ""
    assert label_of("A title", filename) == "A title"


@given(st.text(max_size=400), st.text(min_size=1, max_size=255))
def test_a_label_begins_with_the_title_and_is_bounded(title: str, filename: str) -> None:
    """Also for what nobody would call a file."""
    label = label_of(title, filename)
    assert len(label) <= 300
    assert label.startswith(title[:300])
