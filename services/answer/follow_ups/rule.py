"""The local rule: which follow-ups lean on the question before, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.answer.follow_ups.fragment import fragment_of
from services.answer.follow_ups.slots import substitute
from services.answer.follow_ups.topic import is_expletive, name_topic, topic_of
from services.answer.language.words import content_keys

MAX_CHARACTERS = 1000
"""Longest self-contained question."""

TURNS = 3
"""How far back a chain of follow-ups is followed."""

_OPENING = re.compile(
    r"(and|but|so|or|also|then|what about|how about|what if)\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"^那么?|呢\s*[?？]?\s*$")  # "and ...?" and "what about ...?"
_REFERRING = re.compile(
    r"\b(it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|one|ones|"
    r"the same|the former|the latter|the other|the previous|the next|the rest)\b",
    re.IGNORECASE,
)
# "that" and "there" also join clauses: they refer back only in short questions.
_SHORT_WORDS = 9
_FEW_CONTENT_WORDS = 1


def needs_context(question: str) -> bool:
    """Whether a question seems to lean on what was said before."""
    words = question.split()
    if _OPENING.match(question.strip()):
        return len(words) <= _SHORT_WORDS
    if len(content_keys(question)) <= _FEW_CONTENT_WORDS or _CHINESE.search(question):
        return True
    if len(words) > _SHORT_WORDS or is_expletive(question):
        return False
    return _REFERRING.search(question) is not None or _is_phrase(question)


def refers_back(question: str) -> bool:
    """Whether any word could refer to what was said before; `needs_context` asks whether it probably does."""
    return (
        len(content_keys(question)) <= _FEW_CONTENT_WORDS
        or _OPENING.match(question.strip()) is not None
        or _CHINESE.search(question) is not None
        or _REFERRING.search(question) is not None
    )


def self_contained(question: str, earlier: Sequence[str]) -> str:
    """The question in a form that needs no other; `earlier` are those before it, oldest first.

    A piece of the question before is replaced where it is plain which one is meant; else the two are
    joined, which never loses what was asked. A question that stands alone stays as it is.
    """
    if not earlier or not needs_context(question):
        return question
    before = earlier[-TURNS:]
    base = self_contained(before[-1], before[:-1])
    found = _replaced(question, base)
    if found is None or len(found) > MAX_CHARACTERS:
        found = f"{base} {question}"
    return found if len(found) <= MAX_CHARACTERS else question


def _replaced(question: str, base: str) -> str | None:
    fragment = fragment_of(question)
    if fragment is not None:
        return substitute(base, fragment)
    topic = topic_of(base)
    return name_topic(question, topic) if topic else None


def _is_phrase(question: str) -> bool:
    """`In Tokyo?`, `For contractors on probation?`: a preposition, and nothing said about it."""
    fragment = fragment_of(question)
    return fragment is not None and bool(fragment.preposition)
