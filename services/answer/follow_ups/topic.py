"""`What is the probation period?`, then `How long does it last?`: the pronoun stands for the topic."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.answer.follow_ups.tokens import Kind, tokenise
from services.answer.follow_ups.vocabulary import (
    AUXILIARIES,
    DETERMINERS,
    PREPOSITIONS,
    QUESTION_WORDS,
    REFERRING,
    SPEAKERS,
)

_ASKED = re.compile(
    r"\s*(?P<who>what|who)\s+(?P<verb>is|are)\s+(?P<topic>[^?,;:()]+?)\s*\??\s*", re.IGNORECASE
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|would|be)\s+it\s+(?:\w+ly\s+)?"
    r"(?:possible|allowed|permitted|necessary|required|true|ok|okay|enough|worth|safe|legal|important)\b",
    re.IGNORECASE,
)
_SINGULAR, _PLURAL = frozenset({"it"}), frozenset({"they", "them"})
_MOST_WORDS, _MOST_BARE_WORDS = 8, 3


def is_expletive(question: str) -> bool:
    """Whether `it` only fills a place: `Is it possible to ...` leans on nothing."""
    return _EXPLETIVE.search(question) is not None


@dataclass(frozen=True, slots=True)
class Topic:
    """What a question asks about."""

    text: str
    pronouns: frozenset[str]
    """Those that may stand for it."""


def topic_of(question: str) -> Topic | None:
    """What `What is X?` or `Who is X?` asks about; None when that is not plain."""
    match = _ASKED.fullmatch(question)
    if match is None:
        return None
    words = tokenise(match["topic"])
    lower = [word.lower for word in words]
    if not words or len(words) > _MOST_WORDS or lower[-1] in PREPOSITIONS | {"like", "about"}:
        return None
    if any(word in AUXILIARIES | QUESTION_WORDS | SPEAKERS | (REFERRING - DETERMINERS) for word in lower):
        return None
    named = lower[0] in DETERMINERS - {"this", "that", "these", "those"} or words[0].kind is Kind.NAME
    bare = len(words) <= _MOST_BARE_WORDS and not any(word.endswith(("ed", "ing")) for word in lower)
    if not named and not bare:
        return None
    many = match["verb"].lower() == "are" or match["who"].lower() == "who"
    return Topic(match["topic"], _PLURAL if many else _SINGULAR)


def name_topic(question: str, topic: Topic) -> str | None:
    """`question` with the topic in the place of its one pronoun; None when that is not plain."""
    words = tokenise(question)
    pronouns = [word for word in words if word.lower in REFERRING]
    if len(pronouns) != 1 or pronouns[0].lower not in topic.pronouns or is_expletive(question):
        return None
    [pronoun] = pronouns
    named = topic.text[0].upper() + topic.text[1:] if pronoun is words[0] else topic.text
    return question[: pronoun.start] + named + question[pronoun.end :]
