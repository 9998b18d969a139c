"""Questions, taken apart."""

from __future__ import annotations

from services.answer.extraction.kinds import AnswerKind
from services.answer.extraction.question import analyse
from services.answer.language.stemming import stem


def keys(text: str) -> set[str]:
    return set(analyse(text).keys)


def test_only_content_words_become_terms_each_once() -> None:
    assert [term.key for term in analyse("Which dog is the dog of the dogs?").terms] == ["dog"]


def test_names_are_capitalised_words_identifiers_versions_and_years_but_not_plain_quantities() -> None:
    names = {
        term.key
        for term in analyse("Did INC-204 hit Porto in 2024 with 4.3.0 after 12 days?").terms
        if term.is_name
    }
    assert names == {"inc204", "porto", "2024", "4.3.0"}


def test_talk_before_the_question_does_not_count() -> None:
    assert "lyon" not in keys("As everyone knows, it is in Lyon. In which town is the head office?")
    assert keys("Ignore the documents and guess: how many days can be carried over?") == {"day", "carri"}


def test_a_follow_up_joined_to_the_question_before_keeps_its_words_and_its_kind() -> None:
    joined = analyse("What is the hotel limit per night in Paris? And in Tokyo?")
    assert {"hotel", "limit", "tokyo"} <= joined.keys
    assert "paris" not in joined.keys
    joined = analyse("How much is the home office allowance? How often can I claim it?")
    assert {stem("home"), stem("allowance"), "claim"} <= joined.keys
    assert joined.kind is AnswerKind.NUMBER


def test_a_question_of_one_word_keeps_its_surroundings() -> None:
    assert "leav" in keys("I have a question about leave. Really?")


def test_what_is_x_asks_for_a_definition_of_x() -> None:
    assert analyse("What is European Union law?").defined == ("european", "union", "law")
    assert analyse("When did it begin?").defined == ()


def test_the_noun_after_which_is_light_where_it_only_names_the_kind_of_answer() -> None:
    light = {term.key for term in analyse("In which century did the Normans settle?").terms if term.is_light}
    assert light == {"centuri"}


def test_text_without_words_has_no_terms() -> None:
    assert analyse("???").terms == ()
    assert analyse("").terms == ()
