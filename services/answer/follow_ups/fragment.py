"""Follow-ups that only name another thing, like `And in Tokyo?` or `What about sick leave?`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.answer.follow_ups.tokens import Kind, Token, tokenise
from services.answer.follow_ups.vocabulary import CLAUSE_WORDS, DETERMINERS, PREPOSITIONS

_OPENING = re.compile(
    r"\s*(?:(?:and|or|but|so|also|then|now|ok|okay|sorry|no)\b[\s,]*)*"
    r"(?:(?:what|how)\s+(?:is|are)\s+(?:it|that|this|they)\s+(?=(?:in|at|on|for|to|with|after|during)\b)"
    r"|(?:what|how)\s+about\s+|what\s+of\s+|(?:is\s+it\s+)?the\s+same\s+(?=for\b|in\b|with\b))?",
    re.IGNORECASE,
)
_RELATIVE_YEAR = {
    "the year before": -1,
    "the previous year": -1,
    "the year after": 1,
    "the following year": 1,
    "the next year": 1,
}
_MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a follow-up names, and how."""

    preposition: str
    """In lower case; empty when there is none."""
    text: str
    """The thing, as written, without preposition."""
    words: tuple[Token, ...]
    """Its words without determiner; places count in `text`."""
    kind: Kind
    year_step: int = 0
    """`the year before` is -1, `the year after` 1; then `words` are of no use."""


def fragment_of(question: str) -> Fragment | None:
    """What the follow-up names; None when it says more than that."""
    opening = _OPENING.match(question)
    rest = question[opening.end() if opening else 0 :].strip(" \t?.!…,;")
    tokens = tokenise(rest)
    if not tokens or len(tokens) > _MOST_WORDS or any(mark in rest for mark in "?!;:()"):
        return None
    preposition = ""
    if tokens[0].lower in PREPOSITIONS:
        preposition = tokens[0].lower
        rest = rest[tokens[0].end :].strip()
        tokens = tokenise(rest)
    if step := _RELATIVE_YEAR.get(rest.lower()):
        return Fragment(preposition, rest, tuple(tokens), Kind.YEAR, step)
    words = tuple(tokens[1:] if tokens and tokens[0].lower in DETERMINERS else tokens)
    if not words or any(token.lower in CLAUSE_WORDS | DETERMINERS for token in words):
        return None
    kind = _kind(words)
    return Fragment(preposition, rest, words, kind) if kind else None


def _kind(words: tuple[Token, ...]) -> Kind | None:
    if len(words) == 1:
        return words[0].kind
    if words[0].text[0].isdigit():
        unit_only = len(words) == 2 and words[0].kind is None and words[1].kind is Kind.COMMON
        return Kind.QUANTITY if unit_only else None
    kinds = {word.kind for word in words}
    if kinds == {Kind.NAME}:
        return Kind.NAME
    # With a year, a month or a number among them it is not plain what is to be replaced by what.
    return Kind.COMMON if kinds <= {Kind.NAME, Kind.COMMON, None} else None
