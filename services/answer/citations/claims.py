"""What a sentence commits itself to: content words, numbers, dates, and whether it denies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.answer.citations.opposites import EXCLUSIVE_KEYS, Pole, poles_of
from services.answer.language.folding import fold
from services.answer.language.numerals import chinese_numbers
from services.answer.language.words import Word, words

_MONTHS = {
    name: str(number)
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MAGNITUDES = frozenset({"hundred", "thousand", "million", "billion", "trillion", "dozen"})
# 10 000, 10 500 euros; 10 500 alone could be two columns of a table.
_SPACED = re.compile(
    r"(?<![\d.,])\d{1,3}"
    r"(?:(?: \d{3})* 000(?!\d)|(?: \d{3})+(?= ?(?:[€$£¥]|eur|usd|gbp|chf|dollar|pound|yen|franc)))",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,4}(?:/\d{1,4})+|\d{1,2}\.\d{1,2}\.\d{2,4}")
_LEADING_REPLY = re.compile(r"\s*(?:yes|no|ja|nein|oui|non|sí|no)\s*[,.!:—–-]\s*", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|never|none|nothing|nobody|nor|neither|without|cannot|hardly|scarcely|barely"
    r"|forbidden|prohibited|false|untrue|incorrect|verboten|falsch|kaum|interdite?s?|faux|prohibid[oa]s?|falso"
    r"|no(?!\.?\s*\d)(?!\s+(?:later|earlier|less|more|fewer)\s+than)"
    r"|nicht|nie|niemals|ohne|kein(?:e[nmrs]?)?|ne|jamais|aucune?|sans|nunca|jamás|sin|ningun[oa]?|ningún|mai|não|senza)\b"
    r"|n['’]t\b|[不没沒未无無]|[并並绝絕]非|禁止",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is compared between a sentence of the answer and sentences of a source."""

    keys: frozenset[str]
    """Stems of its content words; numbers in canonical form."""
    numbers: frozenset[str]
    """Its numbers, parts of dates, and words like `million`."""
    months: frozenset[str]
    """Months it names in English words, as `1` to `12`."""
    poles: frozenset[Pole]
    """What it says that rules something else out; see `opposites`."""
    text: str
    """The sentence."""

    @property
    def subjects(self) -> frozenset[str]:
        """Its content words but for numbers, units and words of direction: what it speaks of."""
        return self.keys - self.numbers - EXCLUSIVE_KEYS

    @property
    def denies(self) -> bool:
        """Whether it holds a word of negation; searched when asked, since few claims come to that."""
        return _NEGATION.search(_LEADING_REPLY.sub("", self.text, count=1)) is not None


def claim_of(text: str) -> Claim:
    """Reads a claim from a sentence; a leading `Yes,` or `No,` does not count as negation."""
    found = words(text)
    numbers: set[str] = set()
    months: set[str] = set()
    spaced = list(_SPACED.finditer(text))
    numbers.update(match.group().replace(" ", "") for match in spaced)
    for index, word in enumerate(found):
        if any(match.start() <= word.start < match.end() for match in spaced):
            continue
        if word.is_number:
            numbers.update(_number_parts(word.key))
        elif word.key in _MAGNITUDES:
            numbers.add(word.key)
        elif month := _month(text, found, index):
            months.add(month)
    return Claim(
        keys=frozenset(word.key for word in found if not word.is_stop),
        numbers=frozenset(numbers) | chinese_numbers(text),
        months=frozenset(months),
        poles=poles_of(text, found),
        text=text,
    )


def denies(text: str) -> bool:
    """Whether a piece of text holds a word of negation."""
    return _NEGATION.search(text) is not None


def _number_parts(key: str) -> list[str]:
    parts = re.split(r"[/.]", key) if _DATE.fullmatch(key) else [key]
    return [part.lstrip("0") or "0" if part.isdigit() else part for part in parts]


def _month(text: str, found: list[Word], index: int) -> str:
    """The month a word names, `1` to `12`, or nothing."""
    word = found[index]
    month = _MONTHS.get(fold(text[word.start : word.end]), "") if word.is_capitalised else ""
    if month == "5" and not _beside_number(found, index):  # "May" is a verb too
        return ""
    return month


def _beside_number(found: list[Word], index: int) -> bool:
    neighbours = found[max(0, index - 1) : index] + found[index + 1 : index + 2]
    return any(word.is_number for word in neighbours)
