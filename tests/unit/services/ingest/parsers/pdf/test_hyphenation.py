"""Words divided at line ends."""

from __future__ import annotations

import time

import pytest

from services.ingest.parsers.pdf.hyphenation import join_divided_words


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("adip\ufffeiscing elit", "adipiscing elit"),
        ("adip-\niscing elit", "adipiscing elit"),
        ("adip\x02iscing", "adipiscing"),
        ("high\ufffespending; high and spending", "high-spending; high and spending"),
        ("in\ufffecome, income; they come in", "income, income; they come in"),
        ("ready\ufffeto-drink or ready-to-drink", "ready-to-drink or ready-to-drink"),
        ("Non\ufffeU.S. sales", "Non-U.S. sales"),
        ("Schwarz-\nWeiß", "Schwarz-Weiß"),
        ("a 3-\npercent rise, 737-\n10", "a 3-percent rise, 737-10"),
        ("a list -\nitem", "a list -\nitem"),
        ("co\u2010\noperate", "cooperate"),
        ("nothing divided", "nothing divided"),
    ],
)
def test_the_document_itself_tells_whether_a_hyphen_stays(page: str, expected: str) -> None:
    """Spelling found elsewhere, known parts and capitals decide."""
    assert join_divided_words([page]) == [expected]


def test_evidence_comes_from_other_pages_too() -> None:
    """One vocabulary for the document."""
    assert join_divided_words(["long\ufffeterm", "a long wait, a term"])[0] == "long-term"
    assert join_divided_words(["long\ufffeterm", "nothing"])[0] == "longterm"


def test_time_is_linear_in_the_length_of_words() -> None:
    """Scripts without blanks make words of a whole page; divided syllables make many."""
    begin = time.process_time()
    assert join_divided_words(["字" * 400_000 + "-\n字"]) == ["字" * 400_000 + "-字"]
    join_divided_words(["ab-\n" * 50_000])
    assert time.process_time() - begin < 5
