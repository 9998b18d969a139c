"""Proper names of a question, and whether texts mention them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.extraction.names import Mentions, Name, names_of


def written(question: str) -> list[str]:
    return [name.written for name in names_of(question)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who runs Brightwater's ferry to Harwick?", ["Brightwater", "Harwick"]),
        ("When did L'Aubépine join the EU?", ["Aubépine", "EU"]),
        ("Describe the harbour. Mention the tides of Dunmere.", ["Dunmere"]),
        ("Кто построил мост в Рыбинске?", ["Рыбинске"]),
        ("how deep is the harbour?", []),
        ("What does VPN-12 mean in 2024?", []),
    ],
)
def test_names_are_words_with_a_capital_within_a_sentence(question: str, expected: list[str]) -> None:
    assert written(question) == expected


@pytest.mark.parametrize(
    "question",
    ["Wie lange ist die Kündigungsfrist?", "WHO RUNS THE FERRY?", "Who Runs Harwick?", "港口有多深?"],
)
def test_where_capitals_tell_nothing_there_are_none(question: str) -> None:
    assert written(question) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Harwick", "The ferry leaves Harwick at night."),
        ("Palestine", "A Palestinian delegation came."),
        ("Germany", "the German railways"),
        ("Brightwatr", "Brightwater Ferries Ltd."),
        ("Рыбинске", "Мост стоит в городе Рыбинск."),
        ("Île", "an ile in the lake"),
        ("CEO", "Ida Thorne, Chief Executive Officer"),
        ("DOL", "the Department of Labor"),
        ("AMEX", "the American Express card"),
        ("D.E.", "Data Entry"),
    ],
)
def test_other_endings_spellings_and_what_is_spelled_out_mention_a_name(name: str, text: str) -> None:
    (found,) = names_of(f"where is {name}?")
    assert Mentions(["Nothing here.", text]).hold(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Harwick", "The ferry leaves Dunmere at night. It calls at Hartmouth, too."),
        ("CFO", "Ida Thorne, Chief Executive Officer"),
        ("Norland", "Norway and Northern Ireland"),
        ("Mac", "They caught a mack."),
        ("D.E.", "They had dreams."),
    ],
)
def test_other_names_do_not(name: str, text: str) -> None:
    (found,) = names_of(f"where is {name}?")
    assert not Mentions([text]).hold(found)


def test_texts_without_words_mention_nothing() -> None:
    assert not Mentions([]).hold(Name("harwick", "Harwick"))
    assert not Mentions(["", "..."]).hold(Name("harwick", "Harwick"))


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_text_mentions_the_names_it_holds(before: str, after: str) -> None:
    for name in names_of(f"{before} {after}"):
        assert Mentions([f"{before} {after}"]).hold(name)
