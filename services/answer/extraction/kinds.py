"""What kind of answer a question wants, and whether a sentence could hold one.

A dozen kinds told by patterns. English in full; the interrogatives of the larger European languages and
of Chinese and Japanese where one word settles it. A question of no known kind is OTHER, which neither
helps nor hurts any sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from services.answer.language.words import Word, words


class AnswerKind(Enum):
    """What a question asks for."""

    PERSON = "person"
    PLACE = "place"
    TIME = "time"
    NUMBER = "number"
    AMOUNT = "amount"
    SHARE = "share"
    DURATION = "duration"
    REASON = "reason"
    MANNER = "manner"
    NAME = "name"
    DEFINITION = "definition"
    OTHER = "other"


CERTAIN_KINDS = frozenset(
    {
        AnswerKind.PERSON,
        AnswerKind.PLACE,
        AnswerKind.TIME,
        AnswerKind.NUMBER,
        AnswerKind.AMOUNT,
        AnswerKind.SHARE,
        AnswerKind.DURATION,
    }
)
"""Kinds whose answers have a form of their own, so that a sentence without it hardly answers."""

_I = re.IGNORECASE
_WHAT = r"\b(?:what|which)\s+(?:\w+\s+)?"
_QUESTIONS: tuple[tuple[AnswerKind, re.Pattern[str]], ...] = (
    (
        AnswerKind.NUMBER,
        re.compile(
            r"\bhow (?:many|few)\b|\bwhat (?:is|was|are|were) the (?:number|total|population)|\bwhat number"
            r"|\bwie ?viele\b|\bcombien d|\bcuánt[oa]s\b|\bquant[aeio]s?\b|多少|几|いくつ|何人",
            _I,
        ),
    ),
    (
        AnswerKind.AMOUNT,
        re.compile(
            r"\bhow (?:much|large|high) (?:is|are|was|were|does|do|did)\b|\bhow much\b"
            r"|\bwhat (?:amount|price|cost|sum)\b|\bcosts?\b|\bwie ?viel\b|\bcombien\b|\bcuánto\b|いくら",
            _I,
        ),
    ),
    (
        AnswerKind.DURATION,
        re.compile(r"\bhow (?:long|old)\b|\bwhat (?:length|duration|age)\b|\bwie lange\b|多久", _I),
    ),
    (
        AnswerKind.NUMBER,
        re.compile(
            r"\bhow (?:often|far|tall|large|big|high|deep|wide|fast|heavy|hot|cold|early|late|quickly)\b", _I
        ),
    ),
    (AnswerKind.SHARE, re.compile(r"\b(?:percent|percentage|proportion|fraction|share|ratio)\b", _I)),
    (
        AnswerKind.TIME,
        re.compile(
            r"\bwhen\b(?=.{0,12}\b(?:did|was|were|is|are|do|does|has|had|will|can|would|must)\b)|"
            r"\bwhat (?:is|are|was|were) (?:\w+ ){1,3}hours\b|"
            + _WHAT
            + r"(?:year|date|day|month|century|decade|time|period|era)s?\b"
            r"|\bwann\b|\bquand\b|\bcuándo\b|\bquando\b|什么时候|何时|哪一?年|いつ",
            _I,
        ),
    ),
    (
        AnswerKind.PLACE,
        re.compile(
            r"\bwhere (?:did|was|were|is|are|do|does|can|will)\b|^where\b|"
            + _WHAT
            + r"(?:country|countries|city|cities|places?|states?|towns?|regions?|continents?|locations?"
            r"|rivers?|islands?|areas?)\b|^wo\b|\boù\b|\bdónde\b|\bdove\b|\bonde\b|哪里|哪儿|何处|どこ",
            _I,
        ),
    ),
    (
        AnswerKind.PERSON,
        re.compile(
            r"\b(?:who|whom|whose)\b|"
            + _WHAT
            + r"(?:person|man|woman|king|queen|scientist|president|author|inventor|engineer|leader|scholar"
            r"|researcher)s?\b|^wer\b|^qui\b|\bquién\b|^chi\b|谁|誰",
            _I,
        ),
    ),
    (
        AnswerKind.REASON,
        re.compile(
            r"\bwhy\b|\bwhat (?:caused|causes)\b|\bwhat (?:is|was) the (?:reason|cause|purpose)"
            r"|\bwarum\b|\bpourquoi\b|\bpor qué\b|\bperché\b|为什么|なぜ",
            _I,
        ),
    ),
    (AnswerKind.MANNER, re.compile(r"\bhow\b|\bwie\b|\bcomment\b|\bcómo\b|如何|怎么|どう", _I)),
    (AnswerKind.NAME, re.compile(r"\b(?:called|named?|known as|terms?|referred)\b", _I)),
    (
        AnswerKind.DEFINITION,
        re.compile(
            r"^\s*(?:what|which) (?:is|are|was|were) (?:(?:an?|the) )?[\w-]+(?: [\w-]+)?\s*\??\s*$", _I
        ),
    ),
)

_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_TIME = re.compile(
    rf"\b(?:1\d{{3}}|20\d\d)s?\b|\b(?:{_MONTH}|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|centur(?:y|ies)"
    r"|decades?|bc|ad|today|annually|daily|weekly|monthly)\b|\b\d{1,2}:\d\d\b|\d\s*[年月日]",
    _I,
)
_MONEY = re.compile(
    r"[$€£¥]\s?\d|\b\d[\d.,]*\s*(?:[$€£¥]|(?:dollars?|euros?|eur|usd|gbp|chf|pounds?|francs?|cents?)\b)"
    r"|\b(?:eur|usd|gbp|chf)\s?\d|\b(?:million|billion|trillion)s?\b|\d\s*[元円]",
    _I,
)
_SHARE = re.compile(
    r"%|\bper ?cent\b|\b(?:half|thirds?|quarters?|fifths?|majority|minority|percentage)\b|\d\s*[％成]", _I
)
_DURATION = re.compile(
    r"\b(?:\d[\d.,]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|several|few|many)[\s-]+"
    r"(?:\w+\s)?(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?|centuries)\b|\d\s*[天年周]",
    _I,
)
_QUANTITY = re.compile(
    r"\d|\b(?:one|eleven|twelve|twenty|hundreds?|thousands?|million|billion|dozens?|several|both|no|single"
    r"|once|twice)\b",
    _I,
)
_PLACE = re.compile(
    r"\b(?:in|at|near|from|to|of|into|around|across|on|off|between)\s+(?:the\s+)?(?:[a-z]+ern\s+)?([A-Z][\w’'-]+)"
)


def kind_of(question: str) -> AnswerKind:
    """The kind of answer `question` wants; OTHER when no pattern tells."""
    for kind, pattern in _QUESTIONS:
        if pattern.search(question):
            return kind
    return AnswerKind.OTHER


def fitness(kind: AnswerKind, text: str, text_words: Sequence[Word], asked: frozenset[str]) -> float:
    """How well a sentence's form fits the kind: 0 (no such thing in it, or no kind with a form) to 1.

    `text_words` are the words of `text`. Words with a key in `asked`, the question's own, do not count:
    an answer repeats the question's date or name, but is not it.
    """
    match kind:
        case AnswerKind.NUMBER:
            return 1.0 if _new_number(text_words, asked) else 0.5 * bool(_QUANTITY.search(text))
        case AnswerKind.AMOUNT:
            if _MONEY.search(text) or _SHARE.search(text):
                return 1.0
            return 0.6 * _new_number(text_words, asked)
        case AnswerKind.DURATION:
            return 1.0 if _DURATION.search(text) else 0.5 * _new_number(text_words, asked)
        case AnswerKind.SHARE:
            return 1.0 if _SHARE.search(text) else 0.3 * _new_number(text_words, asked)
        case AnswerKind.TIME:
            return float(any(_first_key(match.group()) not in asked for match in _TIME.finditer(text)))
        case AnswerKind.PLACE:
            if any(_first_key(name) not in asked for name in _PLACE.findall(text)):
                return 1.0
            return 0.4 * (_new_names(text_words, asked) > 0)
        case AnswerKind.PERSON:
            return min(1.0, _new_names(text_words, asked) / 2)
        case _:
            return 0.0


def _new_number(text_words: Sequence[Word], asked: frozenset[str]) -> bool:
    return any(word.is_number and word.key[0].isdecimal() and word.key not in asked for word in text_words)


def _new_names(text_words: Sequence[Word], asked: frozenset[str]) -> int:
    """Capitalised words after the first that the question does not hold."""
    return sum(word.is_capitalised and not word.is_stop and word.key not in asked for word in text_words[1:])


def _first_key(text: str) -> str:
    found = words(text)
    return found[0].key if found else text
