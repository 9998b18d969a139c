"""When two questions are the same: a pure rule, by words.

No vector decides, since vectors cannot tell: static ones give "from Paris to Rome" and "from Rome to Paris"
the same, and "after 12 years" and "after 2 years" .98, while "can you tell me" costs .15. A question answered
with the answer to another, citations and all, is the worst this product could do. So every word counts, at
its place, and the rule names what does not:

- exact form: case (but of units: mW is not MW), white space, Unicode's ways of writing a character,
  punctuation around words;
- near form, besides: greetings and thanks, "can you tell me", contractions, "the", and a phrase that stands
  before an English question, with a comma, instead of behind it.

Nothing is stemmed: William is not Williams, nor security securities.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.retrieval.answers.question_words import (
    CONTRACTED_ENDINGS,
    CONTRACTIONS,
    COPULAS,
    COURTESIES,
    FRONTED,
    LEAD_INS,
    QUESTION_WORDS,
    SHOUTED_NAMES,
    VERBS_FIRST,
    WORDS_WITH_IS,
    Words,
)

# Stripped around words only, where it says how a sentence is cut. Signs such as % $ # + - & / < > stay, and
# so does a point before a digit.
_QUOTES = "\"'"
_BEFORE = _QUOTES + "“”„«»([{¿¡,;:!?"
_BEHIND = _QUOTES + "“”„«»)]}.,;:!?。、؟،"
_SENTENCE_END = frozenset(".!?。؟")
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


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    behind: str = ""
    """The punctuation that follows."""


def question_forms(question: str) -> QuestionForms:
    """Both forms of a question."""
    words = _words(question)
    return QuestionForms(_joined(words), _joined(_near(words)))


def _joined(words: Sequence[_Word]) -> str:
    return " ".join(word.text for word in words)


def _words(question: str) -> list[_Word]:
    text = _same_characters(question.translate(_SPELLINGS))
    is_shouted = text.upper() == text
    found: list[_Word] = []
    for written in text.split():
        bare, behind = _bare(written)
        lower = bare.lower()
        is_name = bare.isupper() and len(bare) > 1 and lower in SHOUTED_NAMES and not is_shouted
        follows_number = bool(found) and found[-1].text[-1].isdigit()
        is_unit = (follows_number or bare[:1].isdigit()) and _UNIT.fullmatch(bare)
        if bare:
            found.append(_Word(bare if is_name or is_unit else lower, behind))
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


def _bare(written: str) -> tuple[str, str]:
    """A word without the punctuation around it, and what stood behind it."""
    start = len(written) - len(written.lstrip(_BEFORE))
    end = len(written.rstrip(_BEHIND))
    if start >= end:
        return "", ""
    is_quoted = start > 0 and written[start - 1] in _QUOTES and written[end : end + 1] == written[start - 1]
    if not is_quoted:  # '24 is a year, 6' is feet
        if written[start].isdigit() and written[start - 1 : start] in ("'", '"'):
            start -= 1
        if written[end - 1].isdigit() and written[end : end + 1] in ("'", '"'):
            end += 1
    return written[start:end], written[end:]


def _near(words: Sequence[_Word]) -> list[_Word]:
    spelled = [
        _Word(part, word.behind) for word in words for part in CONTRACTIONS.get(word.text, _full(word.text))
    ]
    plain = _front_to_back(_without_courtesies(spelled))
    return [word for word in plain if word.text != "the"]


def _full(word: str) -> Words:
    """`isn't` → is not, `what's` → what is; other words as they are."""
    for ending, full in CONTRACTED_ENDINGS.items():
        if word.endswith(ending) and word != ending:
            return word.removesuffix(ending), full
    if word.removesuffix("'s") in WORDS_WITH_IS and word.endswith("'s"):
        return word.removesuffix("'s"), "is"
    return (word,)


def _without_courtesies(words: list[_Word]) -> list[_Word]:
    while True:
        shorter = _without_lead_in(_without_greeting(_without_thanks(words)))
        if len(shorter) == len(words):
            return shorter
        words = shorter


def _without_greeting(words: list[_Word]) -> list[_Word]:
    for language in COURTESIES:
        length = _matched(words, language.before)
        if length and any(word.text in language.openers for word in words[length : length + 1]):
            return words[length:]
    return words


def _without_thanks(words: list[_Word]) -> list[_Word]:
    for language in COURTESIES:
        for phrase in language.behind:
            if len(phrase) < len(words) and _matched(words[-len(phrase) :], (phrase,)):
                return words[: -len(phrase)]
    return words


def _without_lead_in(words: list[_Word]) -> list[_Word]:
    length = _matched(words, LEAD_INS)
    if length and any(word.text in QUESTION_WORDS for word in words[length : length + 1]):
        return _as_main_clause(words[length:])
    return words


def _matched(words: Sequence[_Word], phrases: Sequence[Words]) -> int:
    """How many words the first phrase has that `words` begin with; 0: none."""
    texts = tuple(word.text for word in words)
    return next((len(phrase) for phrase in phrases if texts[: len(phrase)] == phrase), 0)


def _as_main_clause(words: list[_Word]) -> list[_Word]:
    """`what the limit is` → what is the limit, where it is plain which verb moves."""
    copulas = [index for index, word in enumerate(words) if word.text in COPULAS]
    if words[0].text in ("what", "who", "where", "when") and len(copulas) == 1 and copulas[0] > 1:
        [index] = copulas
        return [words[0], words[index], *words[1:index], *words[index + 1 :]]
    return words


def _front_to_back(words: list[_Word]) -> list[_Word]:
    """`In Paris, what is the limit` → what is the limit in Paris; only where there is one sentence."""
    if not words or words[0].text not in FRONTED or any(w.text in QUESTION_WORDS for w in words[1:2]):
        return words
    if any(_SENTENCE_END.intersection(word.behind) for word in words[:-1]):
        return words
    for index, (word, following) in enumerate(pairwise(words[1:]), start=1):
        if "," in word.behind and following.text in QUESTION_WORDS | VERBS_FIRST:
            return [*words[index + 1 :], *words[: index + 1]]
    return words
