"""Two-turn conversations: what a follow-up becomes without a model.

Where a piece of the first question is plainly meant, it is replaced; where not, the two are joined; and
what stands alone is left alone.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.follow_ups.rule import MAX_CHARACTERS, self_contained

HOTEL = "What is the hotel limit per night in Paris?"
LEAVE = "How many days of annual leave do I get after 12 years of service?"
SHIPPED = "How many instruments did Tarnquill ship in 2024?"
PROBATION = "What is the probation period?"

REPLACED = [
    # a place for a place
    (HOTEL, "And in Tokyo?", "What is the hotel limit per night in Tokyo?"),
    (HOTEL, "In New York?", "What is the hotel limit per night in New York?"),
    (HOTEL, "What about Tokyo?", "What is the hotel limit per night in Tokyo?"),
    (HOTEL, "OK, and in the Netherlands?", "What is the hotel limit per night in the Netherlands?"),
    (HOTEL, "And what is it in Rome?", "What is the hotel limit per night in Rome?"),
    ("When does the office at Lyon open?", "And in Berlin?", "When does the office at Berlin open?"),
    ("Who is the contact for Germany?", "And for Spain?", "Who is the contact for Spain?"),
    ("How far is it from Paris to Lyon?", "And to Nice?", "How far is it from Paris to Nice?"),
    # a year for a year
    (SHIPPED, "And in 2023?", "How many instruments did Tarnquill ship in 2023?"),
    (SHIPPED, "What about 2022?", "How many instruments did Tarnquill ship in 2022?"),
    (SHIPPED, "And the year before?", "How many instruments did Tarnquill ship in 2023?"),
    (SHIPPED, "And the following year?", "How many instruments did Tarnquill ship in 2025?"),
    ("What has changed since 2019?", "And in 2021?", "What has changed in 2021?"),
    # months, days, quantities, identifiers
    ("What was the revenue in March?", "And in April?", "What was the revenue in April?"),
    ("Is the canteen open on Mondays?", "And on Fridays?", "Is the canteen open on Fridays?"),
    (LEAVE, "And after 5 years?", "How many days of annual leave do I get after 5 years of service?"),
    (LEAVE, "What about 20 years?", "How many days of annual leave do I get after 20 years of service?"),
    ("What does error ERR-4512 mean?", "And ERR-4513?", "What does error ERR-4513 mean?"),
    ("How do I set up VPN-12?", "What about VPN-14?", "How do I set up VPN-14?"),
    # a noun told apart by what stands before it
    (LEAVE, "What about sick leave?", "How many days of sick leave do I get after 12 years of service?"),
    (HOTEL, "And the meal limit?", "What is the meal limit per night in Paris?"),
    ("Is annual leave paid out?", "And parental leave?", "Is parental leave paid out?"),
    ("When is the Paris office open?", "And the Berlin office?", "When is the Berlin office open?"),
    # a phrase with the same preposition
    ("What is the notice period for employees?", "And for contractors?",
     "What is the notice period for contractors?"),
    ("What is the notice period for employees on probation?", "And for the interns?",
     "What is the notice period for the interns on probation?"),
    ("May I smoke in the canteen?", "And in the garden?", "May I smoke in the garden?"),
    # the topic for its pronoun
    (HOTEL, "And who may go over it?", "And who may go over the hotel limit per night in Paris?"),
    (PROBATION, "How long does it last?", "How long does the probation period last?"),
    ("Who is the data protection officer?", "How do I reach them?",
     "How do I reach the data protection officer?"),
    ("What are core hours?", "When do they start?", "When do core hours start?"),
    ("What is StationLink?", "Who supports it?", "Who supports StationLink?"),
]  # fmt: skip

JOINED = [
    (SHIPPED, "Why?"),
    (SHIPPED, "What about managers?"),
    (SHIPPED, "And in Tokyo?"),  # no place was named before
    (SHIPPED, "And last year?"),  # not the year before 2024
    (HOTEL, "And in winter?"),  # no place
    (HOTEL, "And in tokyo?"),  # may be one, but does not look like one
    (HOTEL, "And in 2023?"),
    (HOTEL, "How about for Tokyo?"),
    (HOTEL, "Who approves them?"),
    (HOTEL, "Is that enough?"),
    ("How many days may I work from home?", "The same for interns?"),
    (LEAVE, "What about remote work?"),
    (LEAVE, "And its carry-over?"),
    ("How did sales in Paris compare to sales in Lyon?", "And in Tokyo?"),  # which of the two?
    ("Did revenue grow from 2021 to 2023?", "And in 2024?"),
    ("Did revenue grow from 2021 to 2023?", "And the year before?"),
    ("What does Tarnquill pay for parental leave?", "And Tokyo?"),  # not the payer
    ("What does Ann earn in May?", "And Bob?"),
    ("May managers work from home?", "What about remote work?"),
    ("What do I need for working from home?", "And for travel?"),
    ("Who answers for data that leaves the country?", "And for hardware?"),
    ("Where is the canteen open?", "When does it close?"),
    ("What is needed for travel?", "Who pays for it?"),
    (PROBATION, "Can they end it?"),
    (PROBATION, "And how long does her probation last?"),
    (PROBATION, "How long does the former last?"),
    ("Was ist das Hotelbudget in Paris?", "Und in Tokio?"),
    ("巴黎的酒店限额是多少？", "东京呢？"),
]

ALONE = [
    (HOTEL, "What is the hotel limit per night in Tokyo?"),
    (HOTEL, "Until when does StationLink 3.x receive security fixes?"),
    (HOTEL, "Who must be told when a laptop that belongs to the company is stolen on a journey?"),
    (LEAVE, "Is it possible to work remotely from Spain?"),
    (LEAVE, "Is it really necessary to keep receipts for taxis?"),
    (SHIPPED, "How many instruments did Tarnquill ship in 2023?"),
]


@pytest.mark.parametrize(("before", "question", "expected"), REPLACED)
def test_a_plain_piece_is_replaced(before: str, question: str, expected: str) -> None:
    assert self_contained(question, [before]) == expected


@pytest.mark.parametrize(("before", "question"), JOINED)
def test_what_is_not_plain_is_joined(before: str, question: str) -> None:
    assert self_contained(question, [before]) == f"{before} {question}"


@pytest.mark.parametrize(("before", "question"), ALONE)
def test_what_stands_alone_is_left_alone(before: str, question: str) -> None:
    assert self_contained(question, [before]) == question


def test_there_are_enough_examples() -> None:
    assert len(REPLACED) + len(JOINED) + len(ALONE) >= 60


def test_a_chain_of_follow_ups_is_followed() -> None:
    earlier = ["What does the canteen offer?", HOTEL, "And in Tokyo?"]
    assert self_contained("And in Rome?", earlier) == "What is the hotel limit per night in Rome?"
    earlier = [SHIPPED, "And in 2023?"]
    joined = "How many instruments did Tarnquill ship in 2023? And before that?"
    assert self_contained("And before that?", earlier) == joined


def test_a_chain_is_followed_three_questions_back_and_no_further() -> None:
    earlier = [HOTEL, "Why?", "Since when?", "And why?"]
    assert HOTEL not in self_contained("Really?", earlier)


def test_nothing_is_joined_beyond_the_limit_of_a_question() -> None:
    assert self_contained("Why?", ["x" * MAX_CHARACTERS]) == "Why?"


def test_the_first_question_stays_as_it_is() -> None:
    assert self_contained("And in Tokyo?", []) == "And in Tokyo?"


PIECES = st.sampled_from(
    ["and", "in", "Paris", "the", "what", "is", "it", "leave", "annual", "12", "years", "2024", "for", "?",
     "VPN-12", ",", "about", "they", "same", "May", "漢字", "é", "(", "New"]
)  # fmt: skip
QUESTIONS = st.lists(PIECES, max_size=9).map(" ".join)


@given(QUESTIONS | st.text(max_size=50), st.lists(QUESTIONS | st.text(max_size=50), max_size=4))
def test_whatever_is_asked_something_comes_out_within_the_limit(question: str, earlier: list[str]) -> None:
    found = self_contained(question, earlier)
    assert len(found) <= max(MAX_CHARACTERS, len(question))
    assert bool(found.strip()) >= bool(question.strip())
