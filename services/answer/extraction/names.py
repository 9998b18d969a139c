"""Proper names that a question asks about, and whether the passages mention them at all.

Other words of a question have synonyms; a name has none. Passages that nowhere name Harwick say nothing about
Harwick, however well all else fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from services.answer.extraction.synonyms import related
from services.answer.language.folding import fold
from services.answer.language.sentences import sentences
from services.answer.language.stemming import root
from services.answer.language.stopwords import CAPITALISING
from services.answer.language.words import words

_ALIKE = 0.7
"""Dice coefficient from which two words are spellings or endings of one name: Palestine and Palestinian have
.78, Germany and German .91, a letter left out of six .73."""
_SHORTEST_ALIKE = 4  # letters of a name; of three, another word has half the pairs by chance
_LONGEST_ACRONYM = 6  # longer words in capitals are shouted
_APOSTROPHE = re.compile("['’]")
_LETTERS = r"[^\W\d_]"
_NEXT_WORD = rf"{_LETTERS}*[\s-](?:{_LETTERS}{{1,3}}\s)?"  # over an "of" or "the"


class Name(NamedTuple):
    """One word of a proper name."""

    key: str
    """Its stem."""
    written: str
    """As it is written, without what an apostrophe joins to it."""


def names_of(question: str) -> tuple[Name, ...]:
    """Words with a capital, in order, but for those that begin a sentence and those with digits.

    None where capitals tell nothing: all words have one, or all nouns, as in German.
    """
    found = words(question)
    if any(fold(question[word.start : word.end]) in CAPITALISING for word in found):
        return ()
    starts = {next((w.start for w in found if w.start >= part.start), -1) for part in sentences(question)}
    within = [word for word in found if word.start not in starts]
    if all(word.is_capitalised for word in within):
        return ()
    return tuple(
        Name(word.key, max(_APOSTROPHE.split(question[word.start : word.end]), key=len))
        for word in within
        if word.is_capitalised and not word.is_stop and not any(map(str.isdecimal, word.key))
    )


class Mentions:
    """The words of some texts, ready to be asked for names."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._text = "\n".join(texts)
        self._words = words(self._text)
        self._keys = frozenset(word.key for word in self._words)

    def hold(self, name: Name) -> bool:
        """Whether they mention it: by its stem, derivation or synonym, in a like spelling, or spelled out.

        AMEX is spelled out by "American Express". Neighbouring words whose letters fit by chance count,
        too: in doubt a name is mentioned.
        """
        return (
            name.key in self._keys
            or not related(name.key).isdisjoint(self._keys)
            or self._spell_out(name.written)
            or self._are_like(name)
        )

    def _spell_out(self, written: str) -> bool:
        """Whether its letters follow each other, each within its word or as the first of the next."""
        letters = [letter for letter in written if letter.isalnum()]  # a dot would stand for anything
        if not written.isupper() or not 1 < len(letters) <= _LONGEST_ACRONYM:
            return False
        rest = "".join(f"(?:{letter}|{_NEXT_WORD}{letter})" for letter in letters[1:])
        return re.search(rf"\b{letters[0]}{rest}", self._text, re.IGNORECASE) is not None

    def _are_like(self, name: Name) -> bool:
        if any(root(key) == root(name.key) for key in self._keys):
            return True
        wanted = fold(name.written)
        if len(wanted) < _SHORTEST_ALIKE:
            return False
        spellings = {fold(self._text[word.start : word.end]) for word in self._words}
        return any(_dice(wanted, other) >= _ALIKE for other in spellings if other[:1] == wanted[:1])


def _dice(one: str, other: str) -> float:
    """Share of the pairs of letters that two words have in common, 0 to 1.

    Adamson and Boreham, "The use of an association measure based on character structure to identify
    semantically related pairs of words and document titles", Information Storage and Retrieval 10, 1974.
    """
    first, second = ({word[at : at + 2] for at in range(len(word) - 1)} for word in (one, other))
    return 2 * len(first & second) / (len(first) + len(second)) if first and second else 0.0
