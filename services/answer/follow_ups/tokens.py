"""A question as words with places, each with the kind of thing it may name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from services.answer.follow_ups.vocabulary import (
    AUXILIARIES,
    DETERMINERS,
    MONTHS,
    PREPOSITIONS,
    QUESTION_WORDS,
    WEEKDAYS,
)


class Kind(Enum):
    """What a piece of a question names. Only pieces of one kind take each other's place."""

    YEAR = "year"
    MONTH = "month"
    WEEKDAY = "weekday"
    QUANTITY = "quantity"
    """A number with its unit: `12 years`."""
    IDENTIFIER = "identifier"
    """`VPN-12`, `ERR-4512`."""
    NAME = "name"
    """Words with capitals: `Tokyo`, `New York`."""
    COMMON = "common"
    """Anything else."""


_TOKEN = re.compile(r"[^\W_]+(?:[-'’./][^\W_]+)*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_IDENTIFIER = re.compile(r"[A-Za-z]+[-_.]?\d[\w.-]*|\d+[-_][A-Za-z]\w*")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a question."""

    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        """What it is compared by."""
        return self.text.lower()

    @property
    def is_function_word(self) -> bool:
        """Whether it only holds others together."""
        return self.lower in PREPOSITIONS | DETERMINERS | AUXILIARIES | QUESTION_WORDS

    @property
    def kind(self) -> Kind | None:
        """The kind it has by itself; None when it is a function word, or a bare number."""
        word = self.lower
        if _YEAR.fullmatch(word):
            return Kind.YEAR
        if word in WEEKDAYS or word.removesuffix("s") in WEEKDAYS:
            return Kind.WEEKDAY
        if _IDENTIFIER.fullmatch(self.text):
            return Kind.IDENTIFIER
        if self.text[0].isdigit():
            return None
        if word in MONTHS and self.text[0].isupper() and word != "may":
            return Kind.MONTH
        if self.is_function_word:
            return None
        return Kind.NAME if self.text[0].isupper() else Kind.COMMON


def tokenise(text: str) -> list[Token]:
    """The words of a text in order."""
    return [Token(match.group(), *match.span()) for match in _TOKEN.finditer(text)]
