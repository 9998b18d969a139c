"""Words that rule each other out: a sentence with one of them is not carried by a source with the other.

`rose` for `fell`, `euros` for `dollars`, `tenant` for `landlord`: all other words of a sentence may stand in
the source, and it still says another thing. The lists are English and short; what they do not hold passes
as any other word that the source lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.answer.language.words import Word, words

_OPPOSITES = (
    ("rise increase grow gain climb", "fall decrease decline drop shrink"),
    ("more", "less fewer"),
    ("may can", "must shall"),
    ("above exceed", "below"),
    ("before earlier", "after later"),
    ("maximum most", "minimum least"),
    ("highest", "lowest"),
    ("higher", "lower"),
    ("include including", "exclude excluding"),
    ("first", "last"),
    ("buy purchase", "sell"),
    ("begin start", "end finish"),
    ("open", "close closed"),
    ("accept approve", "reject refuse"),
    ("mandatory compulsory required obligatory", "optional voluntary"),
    ("allowed permitted", "forbidden prohibited banned"),
    ("profit", "loss"),
    ("import", "export"),
    ("internal", "external"),
    ("landlord lessor", "tenant lessee"),
    ("buyer purchaser", "seller vendor"),
    ("lender creditor", "borrower debtor"),
    ("employer", "employee"),
    ("licensor", "licensee"),
    ("plaintiff claimant", "defendant"),
)
_UNITS = (
    ("euro eur", "dollar usd", "pound gbp", "yen jpy", "franc chf", "yuan cny", "rupee inr"),
    ("second", "minute", "hour", "day", "week", "month", "quarter", "year"),
    ("metre meter", "kilometre kilometer km", "centimetre centimeter cm", "mile", "inch"),
    ("gram", "kilogram kg", "tonne ton"),
    ("kilobyte kb", "megabyte mb", "gigabyte gb", "terabyte tb"),
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
_SYMBOLS = {"€": "euro", "$": "dollar", "£": "pound", "¥": "yen"}
_SYMBOL = re.compile("[€$£¥]")
_CHINESE_UNITS = {
    "年": "year", "个年": "year", "月": "month", "个月": "month", "天": "day", "日": "day", "周": "week",
    "小时": "hour", "美元": "dollar", "欧元": "euro", "日元": "yen", "英镑": "pound", "元": "yuan",
}  # fmt: skip
_LONGEST_FIRST = "|".join(sorted(_CHINESE_UNITS, key=len, reverse=True))
_CHINESE_UNIT = re.compile(rf"(?<=[0-9〇零一二三四五六七八九十百千万亿两])(?:{_LONGEST_FIRST})")

Pole = tuple[int, int]
"""(group, which of its members that rule each other out)."""


def _poles(groups: Iterable[tuple[str, ...]]) -> dict[str, Pole]:
    return {
        word.key: (number, side)
        for number, group in enumerate(groups)
        for side, alternatives in enumerate(group)
        for word in words(alternatives)
    }


_POLES = _poles((*_OPPOSITES, *_UNITS))

EXCLUSIVE_KEYS = frozenset(_POLES)
"""Keys of all these words."""


def poles_of(text: str, found: Iterable[Word]) -> frozenset[Pole]:
    """The sides a sentence takes; `found` are the words of `text`."""
    poles = {_POLES[word.key] for word in found if word.key in _POLES and not _is_month(word)}
    poles.update(_POLES[_SYMBOLS[symbol]] for symbol in _SYMBOL.findall(text))
    poles.update(_POLES[_CHINESE_UNITS[unit]] for unit in _CHINESE_UNIT.findall(text))
    return frozenset(poles)


def _is_month(word: Word) -> bool:
    """Whether `May` is no verb: inside a sentence it has its capital only as a month."""
    return word.key == "may" and word.is_capitalised and word.start > 0


def contradicts(claim: frozenset[Pole], source: frozenset[Pole]) -> bool:
    """Whether the source takes only other sides than the claim in something both speak of."""
    return any(pole not in source and any(group == pole[0] for group, _ in source) for pole in claim)
