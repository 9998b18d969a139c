"""Words of a text with their places, and the keys they are compared by.

Latin, Greek, Cyrillic, Arabic, Hebrew and Indic scripts give one word for each run of letters. Chinese
and Japanese, written without spaces, give overlapping pairs of characters (the usual substitute for a
dictionary: Manning et al., Introduction to Information Retrieval, §2.2.1), so do Thai, Lao and Khmer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from services.answer.language.folding import fold
from services.answer.language.stemming import stem
from services.answer.language.stopwords import STOP_WORDS

# Marks that belong to the letter before them and are not matched by \w.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f"
)
_UNSPACED = (
    "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
)
_IDENTIFIER = r"[A-Z]{1,6}[-_]?\d[\w-]*|[^\W\d_]+\d\w*"  # INC-204, TQ1, mp3: one word, whatever joins it
_ACRONYM = r"(?:[A-Z]\.){2,}"  # U.S. is the same word as US
_NUMBER = r"\d+(?:[.,:/\u00a0\u202f’'](?=\d)\d+)*(?:st|nd|rd|th)?"
_LETTERS = rf"[^\W\d_{_UNSPACED}](?:[^\W\d_{_UNSPACED}]|[{_MARKS}])*"
_WORD = re.compile(
    rf"(?P<unspaced>[{_UNSPACED}]+)|\b(?P<identifier>{_IDENTIFIER}|{_ACRONYM})|(?P<number>{_NUMBER})|(?P<letters>{_LETTERS}(?:['’]{_LETTERS})?)"
)
_CACHE_SIZE = 65_536  # distinct spellings remembered

_TO_TWENTY = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: str(value) for value, word in enumerate(_TO_TWENTY.split())} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
}
"""English number words with the digits they stand for."""

_COUNTED = NUMBER_WORDS.keys() - {"one"}  # "one" is a pronoun more often than a number


class Word(NamedTuple):
    """One word of a text."""

    start: int
    """First character, code points from the start of the text."""
    end: int
    """One past the last character."""
    key: str
    """What it is compared by: stem, canonical number, or character pair."""
    is_stop: bool
    """Whether it is a function word."""
    is_number: bool
    """Whether it is or holds a number: 1,400, `two` and up, INC-204."""
    is_capitalised: bool
    """Whether it begins with an upper-case letter."""


def words(text: str) -> list[Word]:
    """The words of `text` in order."""
    return list(_scan(text))


def content_keys(text: str) -> list[str]:
    """Keys of the words of `text` that are not function words, in order, with repetitions."""
    return [word.key for word in _scan(text) if not word.is_stop]


def canonical_number(written: str) -> str:
    """A number without grouping: `1,400` → `1400`, `1.234.567` → `1234567`, `4.80` → `4.80`.

    Ordinals lose their ending. A single point is a decimal point, a comma before exactly three digits
    groups, another comma is a decimal comma. Dates, times and versions keep their separators.
    """
    plain = re.sub(r"[\u00a0\u202f’']|(?:st|nd|rd|th)$", "", written)
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain):
        return plain.replace(",", "")
    if re.fullmatch(r"\d{1,3}(\.\d{3}){2,}", plain):
        return plain.replace(".", "")
    if re.fullmatch(r"\d+,\d+", plain):
        return plain.replace(",", ".")
    return plain


def _scan(text: str) -> Iterator[Word]:
    for match in _WORD.finditer(text):
        start, end = match.span()
        if match.lastgroup == "unspaced":
            yield from _pairs(text, start, end)
            continue
        written = match.group()
        key, is_stop, is_number = _analyse(written)
        yield Word(start, end, key, is_stop, is_number, written[0].isupper())


def _pairs(text: str, start: int, end: int) -> Iterator[Word]:
    if end - start == 1:
        yield Word(start, end, text[start:end], False, False, False)
    for index in range(start, end - 1):
        yield Word(index, index + 2, text[index : index + 2], False, False, False)


@lru_cache(maxsize=_CACHE_SIZE)
def _analyse(written: str) -> tuple[str, bool, bool]:
    """(key, is function word, is number) of one spelling."""
    if written[0].isdigit():
        return canonical_number(unicodedata.normalize("NFKC", written)), False, True
    folded = fold(written)
    if any(character.isdigit() for character in folded):
        return re.sub("[-_]", "", folded), False, True
    if "." in folded:
        return folded.replace(".", ""), False, False
    apostrophe = max(folded.find("'"), folded.find("’"))
    if apostrophe > 0:  # the company's, don't, l'année
        head, tail = folded[:apostrophe], folded[apostrophe + 1 :]
        folded = tail if len(head) <= 2 < len(tail) else head
    if folded in _COUNTED:
        return NUMBER_WORDS[folded], False, True
    shouted = len(written) > 1 and written.isupper()  # US, IT, WHO: names, not function words
    return stem(folded), folded in STOP_WORDS and not shouted, False
