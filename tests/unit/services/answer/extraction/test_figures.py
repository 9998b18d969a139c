"""Years, versions, codes and clauses a question names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.extraction.figures import Figures, figures_of, speaks_of


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was the revenue in 2023?", {"2023"}),
        ("Which rules held between 1998 and 2004?", {"1998", "2004"}),
        ("How did sales in FY2023 compare with FY 2022?", {"2022", "2023"}),
        ("What does VPN-12 mean, and what inc204?", {"VPN-12", "inc204"}),
        ("When will StationLink 5.0 be released?", {"5.0"}),
        ("What is new in 4.3.1?", {"4.3.1"}),
        ("What does Article 17 say, and § 4.3?", {"17", "4.3"}),
        ("第三条和第 12 条说什么?2021年呢?", {"12", "2021"}),
        ("What happened in ２０２３ or ٢٠٢٤?", {"2023", "2024"}),
    ],
)
def test_what_names_one_thing_is_found(question: str, expected: set[str]) -> None:
    assert figures_of(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "How many days of leave after 12 years?",
        "May I spend €1800, 1,500 or 1200 EUR on a trip?",
        "Are 2.5 days enough for 1500 miles?",
        "Does of EUR 12.50 a day suffice?",
        "What was founded in the 1970s or the mid-1980s?",
        "What are CO2, mp3, Q3 and FY24?",
        "Is the office open on 24.12.2025?",
        "",
    ],
)
def test_quantities_and_what_has_other_names_are_not(question: str) -> None:
    assert figures_of(question) == frozenset()


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ("2023", "In FY2023 it rose."),
        ("2024", "The season 2024/25 began on 01.09.2024."),
        ("2012", "Between 2010 and 2015 it was closed."),
        ("2023", "二〇二三年收入增长。"),
        ("2023", "في ٢٠٢٣"),
        ("VPN-12", "The program shows vpn 12."),
        ("inc204", "INC-204 is closed."),
        ("4.3", "Version 4.3.1 was withdrawn."),
    ],
)
def test_a_text_states_it_in_its_own_spelling(figure: str, text: str) -> None:
    assert Figures(text).hold(figure)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ("2023", "In 2024 it rose to 12023."),
        ("VPN-12", "VPN-123 and XVPN-12"),
        ("5.0", "Version 4.0, 15.0 and 500"),
        ("2023", ""),
    ],
)
def test_another_one_is_not_it(figure: str, text: str) -> None:
    assert not Figures(text).hold(figure)


@pytest.mark.parametrize(
    ("figures", "passage", "others", "expected"),
    [
        (["2031"], "The limit is 180 euros.", "", True),
        (["2031"], "The limit has been 180 euros since 2019.", "", False),
        (["2031"], "The limit is 180 euros.", "The canteen opened in 2019.", False),
        (["2031"], "The limit is 180 euros.", "The canteen opens in 2031.", True),
        (["2031"], "The limit has been 180 euros since 2019.", "The canteen opens in 2031.", False),
        (["5.0"], "The limit is 180 euros.", "It is version 5.0.", False),
        (["2031", "5.0"], "In 2031 version 5.0 came out.", "It was 2019.", True),
        ([], "", "It was 2019.", True),
    ],
)
def test_a_passage_without_years_may_speak_of_those_that_others_state_and_of_no_other_version(
    figures: list[str], passage: str, others: str, expected: bool
) -> None:
    assert speaks_of(figures, passage, [passage, others]) is expected


@given(st.text(), st.text())
def test_any_text_will_do(question: str, text: str) -> None:
    for figure in figures_of(question):
        assert Figures(question).hold(figure)
        Figures(text).hold(figure)
