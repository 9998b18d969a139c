"""Years joined to letters stand alone, too."""

from __future__ import annotations

import pytest

from services.retrieval.terms.years import with_years


@pytest.mark.parametrize(
    ("question", "years"),
    [
        ("Revenue in FY2022?", ["2022"]),
        ("Revenue in 2023Q1 against FY2022, and again FY2022", ["2023", "2022"]),
        ("What of CY1999/FY2000?", ["1999", "2000"]),
        ("Revenue in 2022?", []),
        ("Does RFC2119 or ISO9001 or ERR20221 matter? Or FY1822, or ABCD2022?", []),
        ("form_2022", []),
        ("", []),
    ],
)
def test_years_are_added_behind_the_question(question: str, years: list[str]) -> None:
    assert with_years(question) == " ".join([question, *years])
