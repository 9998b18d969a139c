"""A question, taken apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.answer.extraction.figures import figures_of
from services.answer.extraction.kinds import CERTAIN_KINDS, AnswerKind, kind_of
from services.answer.extraction.names import Name, names_of
from services.answer.extraction.synonyms import related
from services.answer.language.sentences import sentences
from services.answer.language.stemming import root, stem
from services.answer.language.words import Word, content_keys, words

_LIGHT_WORDS = """
year date day month century decade number percentage percent country city place name person term
type kind amount take happen occur use mean call thing example locate
"""
_LIGHT = frozenset(stem(word) for word in _LIGHT_WORDS.split())
_INTERROGATIVE = re.compile(r"\b(?:what|which|how many)\b", re.IGNORECASE)
_DEFINITION = re.compile(
    r"^\s*(?:what|who) (?:is|are|was|were) (?:an? |the )?(?P<term>.+?)\??\s*$", re.IGNORECASE
)
_AFTER_COLON = re.compile(  # "answer from memory: how many ..."
    r"^.*:\s*(?=(?:who|whom|whose|what|which|when|where|why|how|is|are|do|does|did|can|may)\b)",
    re.IGNORECASE | re.DOTALL,
)
_SUPERLATIVE = re.compile(r"\b(?:most|least|best|worst|\w{3,}est)\b", re.IGNORECASE)
_LONGEST_TERM = 5  # words; "what is X" with a longer X asks for a property, not for a definition


@dataclass(frozen=True, slots=True)
class Term:
    """One content word of a question."""

    key: str
    """Its stem."""
    spelling: str
    """As it is written where it comes first, in lower case."""
    root: str
    """Its derivational root."""
    related: frozenset[str]
    """Stems of words that may stand for it."""
    is_light: bool
    """Whether it says more about the form of the question than about its topic ("which *year*")."""
    is_name: bool
    """Whether it names one thing: capitalised within the question, an identifier, a version, a year. Plain
    quantities do not: "after 12 years" may be answered by "10 to 15 years"."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the search for an answer needs to know of a question."""

    terms: tuple[Term, ...]
    """Its content words, each once, in order."""
    keys: frozenset[str]
    """Keys of the terms."""
    kind: AnswerKind
    """What it asks for."""
    defined: tuple[str, ...]
    """For "what is X": the keys of X; else empty."""
    focus: str = ""
    """The word that names the kind of thing asked for ("which *treaty*"), in lower case; empty for none."""
    is_superlative: bool = False
    """Whether it asks for an extreme: the most, the largest, the first."""
    figures: frozenset[str] = frozenset()
    """Years, versions, codes and clauses it names; of several questions, those of the last if it has any."""
    names: tuple[Name, ...] = ()
    """Words of the proper names in it, where capitals tell them."""

    @property
    def is_certain_kind(self) -> bool:
        """Whether the wanted answer has a form of its own."""
        return self.kind in CERTAIN_KINDS


def analyse(text: str) -> Question:
    """Takes a question apart. Any text will do; one of function words only has no terms.

    Of several sentences the questions count: statements before them are talk ("As everyone knows, ...").
    Of several questions the last one that shows its kind decides it: a follow-up joined to the question
    before ("What is the limit in Paris? And in Tokyo?") asks for the same kind of thing, and its name takes
    the other's place.
    """
    questions = _questions(text)
    text = " ".join(questions)
    found = words(text)
    kinds = [kind for kind in map(kind_of, questions) if kind is not AnswerKind.OTHER]
    kind = kinds[-1] if kinds else AnswerKind.OTHER
    focus = _focus(text)
    light = focus.key if focus and kind in CERTAIN_KINDS else None
    names = _names(found)
    replaced = names - _names(words(questions[-1])) if _swaps_name(questions) else frozenset()
    spellings: dict[str, str] = {}
    for word in found:
        if not word.is_stop and word.key not in replaced:
            spellings.setdefault(word.key, text[word.start : word.end].lower())
    terms = tuple(
        Term(key, spelling, root(key), related(key), key in _LIGHT or key == light, key in names)
        for key, spelling in spellings.items()
    )
    return Question(
        terms=terms,
        keys=frozenset(spellings),
        kind=kind,
        defined=_defined(questions[-1]),
        focus=spellings.get(focus.key, "") if focus else "",
        is_superlative=is_superlative(text),
        figures=figures_of(questions[-1]) or figures_of(text),
        names=tuple(name for name in names_of(text) if name.key not in replaced),
    )


def _names(found: Sequence[Word]) -> frozenset[str]:
    return frozenset(
        word.key
        for index, word in enumerate(found)
        if _is_figure_name(word.key) or (word.is_capitalised and index > 0 and not word.is_stop)
    )


def _swaps_name(questions: Sequence[str]) -> bool:
    """Whether the last of several questions is hardly more than another name: "And in Tokyo?"."""
    last = questions[-1]
    return len(questions) > 1 and len(content_keys(last)) <= 2 and bool(_names(words(last)))


def _is_figure_name(key: str) -> bool:
    if key.isdecimal():
        return len(key) == 4
    return any(character.isdecimal() for character in key)


def _questions(text: str) -> list[str]:
    """The questions proper, in order; the whole text when they have fewer than two content words."""
    asked = [text[part.start : part.end] for part in sentences(text) if text[part.end - 1] in "?？؟"]
    cores = [_AFTER_COLON.sub("", question) for question in asked or [text]]
    return cores if sum(len(content_keys(core)) for core in cores) >= 2 else [text]


def is_superlative(text: str) -> bool:
    """Whether a word of the text names an extreme (English)."""
    return _SUPERLATIVE.search(text) is not None


def _focus(text: str) -> Word | None:
    """The first content word after what, which, or how many; its places count from there."""
    match = _INTERROGATIVE.search(text)
    content = [word for word in words(text[match.end() :]) if not word.is_stop] if match else []
    return content[0] if content else None


def _defined(text: str) -> tuple[str, ...]:
    match = _DEFINITION.match(text)
    keys = tuple(content_keys(match.group("term"))) if match else ()
    return keys if len(keys) <= _LONGEST_TERM else ()
