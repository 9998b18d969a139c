"""When two questions are the same: a pure rule, by words.

No vector decides, since vectors cannot tell (benchmarks/question_pairs.py): static ones are the same for
"from Paris to Rome" and "from Rome to Paris", and have a cosine of .98 for "after 12 years" and "after 2
years", while a greeting costs up to .28. A question answered with the answer to another, citations and all,
is the worst this product could do. So every word counts, at its place, and the rule names what does not:

- exact form: case (but of units: mW is not MW), white space, Unicode's ways of writing a character,
  punctuation around words;
- near form, besides: greetings and thanks, "can you tell me", contractions.

Nothing is stemmed, no small word left out, nothing moved: William is not Williams, and who is in charge of
Ada is not in the charge of Ada.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from services.retrieval.answers.question_words import (
    CONTRACTED_ENDINGS,
    CONTRACTIONS,
    COPULAS,
    COURTESIES,
    LEAD_INS,
    NOUN_OPENERS,
    QUESTION_WORDS,
    SHOUTED_NAMES,
    WORDS_WITH_IS,
    Words,
)

# Stripped around words only, where it says how a sentence is cut. Signs such as % $ # + - & / < > stay, and
# so does a point before a digit.
_QUOTES = "\"'"
_BEFORE = _QUOTES + "“”„«»([{¿¡,;:!?"
_BEHIND = _QUOTES + "“”„«»)]}.,;:!?。、؟،"
_SPELLINGS = str.maketrans({**dict.fromkeys("’‘ʼ`´", "'"), **dict.fromkeys("‐‑‒–—−", "-")})
# Compatibility forms that are the same character, drawn otherwise; ² and ½ are not.
_SAME_CHARACTER = (
    "<wide>", "<narrow>", "<compat>", "<noBreak>", "<small>", "<vertical>",
    "<initial>", "<medial>", "<final>", "<isolated>",
)  # fmt: skip
_JOINERS = "\u200c\u200d"  # part of the spelling in Persian and Indic scripts
# After a number, or joined to it: mW, MB, °F; not May, whose case says nothing.
_UNIT = re.compile(r"(?:\d[\d.,]*)?(?![A-Z][a-z]{2}$)[^\W\d_]{1,3}")


@dataclass(frozen=True, slots=True)
class QuestionForms:
    """Two questions are the same when they share a form. Empty when there is nothing but punctuation."""

    exact: str
    near: str


def question_forms(question: str) -> QuestionForms:
    """Both forms of a question."""
    words = _words(question)
    return QuestionForms(" ".join(words), " ".join(_without_courtesies(_spelled_out(words))))


def _words(question: str) -> list[str]:
    text = _same_characters(question.translate(_SPELLINGS))
    is_shouted = text.upper() == text
    found: list[str] = []
    for written in text.split():
        bare = _bare(written)
        lower = bare.lower()
        is_name = bare.isupper() and len(bare) > 1 and lower in SHOUTED_NAMES and not is_shouted
        follows_number = bool(found) and found[-1][-1].isdigit()
        is_unit = (follows_number or bare[:1].isdigit()) and _UNIT.fullmatch(bare)
        if bare:
            found.append(bare if is_name or is_unit else lower)
    return found


def _same_characters(text: str) -> str:
    if text.isascii():
        return text
    same = (
        unicodedata.normalize("NFKC", char)
        if unicodedata.decomposition(char).startswith(_SAME_CHARACTER)
        else char
        for char in text
        if unicodedata.category(char) != "Cf" or char in _JOINERS
    )
    return unicodedata.normalize("NFC", "".join(same))


def _bare(written: str) -> str:
    """A word without the punctuation around it."""
    start = len(written) - len(written.lstrip(_BEFORE))
    end = len(written.rstrip(_BEHIND))
    if start >= end:
        return ""
    is_quoted = start > 0 and written[start - 1] in _QUOTES and written[end : end + 1] == written[start - 1]
    if not is_quoted:  # '24 is a year, 6' is feet
        if written[start].isdigit() and written[start - 1 : start] in ("'", '"'):
            start -= 1
        if written[end - 1].isdigit() and written[end : end + 1] in ("'", '"'):
            end += 1
    return written[start:end]


def _spelled_out(words: Sequence[str]) -> list[str]:
    """`isn't` → is not, `what's the` → what is the."""
    spelled: list[str] = []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        spelled += CONTRACTIONS.get(word) or _contraction(word, following) or (word,)
    return spelled


def _contraction(word: str, following: str) -> Words:
    for ending, full in CONTRACTED_ENDINGS.items():
        if word.endswith(ending) and word != ending:
            return word.removesuffix(ending), full
    if word.endswith("'s") and word.removesuffix("'s") in WORDS_WITH_IS and following in NOUN_OPENERS:
        return word.removesuffix("'s"), "is"
    return ()


def _without_courtesies(words: list[str]) -> list[str]:
    while True:
        shorter = _without_lead_in(_without_greeting(_without_thanks(words)))
        if len(shorter) == len(words):
            return shorter
        words = shorter


def _without_greeting(words: list[str]) -> list[str]:
    for language in COURTESIES:
        length = _matched(words, language.before)
        if length and language.openers.intersection(words[length : length + 1]):
            return words[length:]
    return words


def _without_thanks(words: list[str]) -> list[str]:
    for language in COURTESIES:
        for phrase in language.behind:
            if len(phrase) < len(words) and tuple(words[-len(phrase) :]) == phrase:
                return words[: -len(phrase)]
    return words


def _without_lead_in(words: list[str]) -> list[str]:
    length = _matched(words, LEAD_INS)
    if length and QUESTION_WORDS.intersection(words[length : length + 1]):
        return _as_main_clause(words[length:])
    return words


def _matched(words: Sequence[str], phrases: Sequence[Words]) -> int:
    """How many words the first phrase has that `words` begin with; 0: none."""
    return next((len(phrase) for phrase in phrases if tuple(words[: len(phrase)]) == phrase), 0)


def _as_main_clause(words: list[str]) -> list[str]:
    """`what the limit is` → what is the limit, where it is plain which verb moves."""
    copulas = [index for index, word in enumerate(words) if word in COPULAS]
    if words[0] in ("what", "who", "where", "when") and len(copulas) == 1 and copulas[0] > 1:
        [index] = copulas
        return [words[0], words[index], *words[1:index], *words[index + 1 :]]
    return words
