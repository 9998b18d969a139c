"""What a question asks for, and which sentences could hold it."""

from __future__ import annotations

import pytest

from services.answer.extraction.kinds import AnswerKind, fitness, kind_of
from services.answer.language.words import words


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who founded the company?", AnswerKind.PERSON),
        ("Which engineer designed it?", AnswerKind.PERSON),
        ("When was it released?", AnswerKind.TIME),
        ("In what year did it open?", AnswerKind.TIME),
        ("What are the opening hours?", AnswerKind.TIME),
        ("Where is the assembly point?", AnswerKind.PLACE),
        ("In which city is the office?", AnswerKind.PLACE),
        ("How many seats does it have?", AnswerKind.NUMBER),
        ("How much is the allowance?", AnswerKind.AMOUNT),
        ("What percentage of revenue is it?", AnswerKind.SHARE),
        ("How long does probation last?", AnswerKind.DURATION),
        ("Why was it closed?", AnswerKind.REASON),
        ("How do I reset my password?", AnswerKind.MANNER),
        ("What is StationLink?", AnswerKind.DEFINITION),
        ("What is the canteen called?", AnswerKind.NAME),
        ("Tell me about leave.", AnswerKind.OTHER),
        ("Wann wurde es gegründet?", AnswerKind.TIME),
        ("Combien de jours?", AnswerKind.NUMBER),
        ("谁是经理？", AnswerKind.PERSON),
    ],
)
def test_the_kind_of_a_question(question: str, kind: AnswerKind) -> None:
    assert kind_of(question) is kind


@pytest.mark.parametrize(
    ("kind", "fits", "does_not"),
    [
        (AnswerKind.PERSON, "It was led by Edda Marrowby.", "It was led by nobody."),
        (AnswerKind.TIME, "It opened on 9 June 1974.", "It opened late."),
        (AnswerKind.PLACE, "It stands in Porto.", "It stands there."),
        (AnswerKind.NUMBER, "There are 14 seats.", "There are seats."),
        (AnswerKind.AMOUNT, "They can claim €450.", "They can claim it."),
        (AnswerKind.SHARE, "It rose to 52.8 %.", "It rose."),
        (AnswerKind.DURATION, "Probation lasts four months.", "Probation ends."),
    ],
)
def test_a_sentence_with_the_wanted_form_fits_and_one_without_does_not(
    kind: AnswerKind, fits: str, does_not: str
) -> None:
    assert fitness(kind, fits, words(fits), frozenset()) == 1.0
    assert fitness(kind, does_not, words(does_not), frozenset()) == 0.0


def test_what_the_question_itself_names_is_not_the_answer() -> None:
    text = "In 2024 it was in Porto."
    asked = frozenset(word.key for word in words("2024 Porto"))
    assert fitness(AnswerKind.TIME, text, words(text), asked) == 0.0
    assert fitness(AnswerKind.PLACE, text, words(text), asked) == 0.0
    assert fitness(AnswerKind.NUMBER, "INC-204 is open.", words("INC-204 is open."), frozenset()) < 1.0
