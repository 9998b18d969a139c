"""Stems of words: a small suffix stripper for English that leaves other languages nearly alone.

Two depths. `stem` takes off inflection only, so that "located" and "locates" meet; `root` takes off
derivation too, so that "invention" meets "inventor" (used as a weaker match). Both are keys for
comparing words, not words themselves.

Full Snowball stemming in Python costs about 30 µs a word, several times the whole time allowed for an
extractive answer; this costs about 1 µs and is remembered per word.
"""

from __future__ import annotations

import re
from functools import lru_cache

from services.answer.language.irregular import IRREGULAR

_VOWEL = re.compile("[aeiouy]")
_DOUBLED = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_CACHE_SIZE = 65_536  # distinct words remembered; about 10 MB when full

_DERIVATIONS = (
    "ization",
    "isation",
    "ational",
    "fulness",
    "ousness",
    "iveness",
    "ibility",
    "ability",
    "ication",
    "ation",
    "ition",
    "ement",
    "ality",
    "ivity",
    "ative",
    "itive",
    "iness",
    "ship",
    "ment",
    "ness",
    "ance",
    "ence",
    "able",
    "ible",
    "less",
    "ical",
    "ious",
    "ism",
    "ist",
    "ity",
    "ive",
    "ous",
    "ful",
    "ant",
    "ent",
    "ian",
    "ion",
    "ure",
    "ate",
    "ize",
    "ise",
    "ify",
    "ary",
    "ory",
    "er",
    "or",
    "al",
    "an",
    "ic",
    "th",
)
_ROOT_MINIMUM = 4  # letters that must remain
_ROOT_LENGTH = 7  # longer roots are cut: compounds and foreign endings differ only at the end


@lru_cache(maxsize=_CACHE_SIZE)
def stem(word: str) -> str:
    """The inflectional stem of a lower-case word: `located` → `locat`, `wrote` → `writ`.

    Words of up to three letters, and words with a digit or without Latin letters, stay as they are.
    """
    word = IRREGULAR.get(word, word)
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    word = _without_plural(word)
    word = _without_verb_ending(word)
    if word.endswith("ly") and len(word) > 5:
        word = word[:-1] if word.endswith("bly") else word[:-2]  # possibly → possibl, as possible
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word.endswith("y"):
        word = word[:-1] + "i"
    return word


@lru_cache(maxsize=_CACHE_SIZE)
def root(word: str) -> str:
    """The derivational root of a stem from `stem`: `invention`, `inventor`, `invent` → `invent`.

    At least four letters remain, at most seven are kept.
    """
    if not word.isascii():
        return word[:_ROOT_LENGTH]
    for suffix in _DERIVATIONS:
        for ending in (suffix, suffix[:-1] + "i" if suffix.endswith("y") else suffix.removesuffix("e")):
            if word.endswith(ending) and len(word) - len(ending) >= max(_ROOT_MINIMUM, len(ending) - 2):
                return word[: -len(ending)][:_ROOT_LENGTH]
    return word[:_ROOT_LENGTH]


def _without_plural(word: str) -> str:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]


def _without_verb_ending(word: str) -> str:
    for ending in ("ing", "ied", "ed"):
        if not word.endswith(ending):
            continue
        bare = word[: -len(ending)]
        if len(bare) < 3 or not _VOWEL.search(bare):
            return word
        if ending == "ied":
            return bare + "y"
        if word.endswith("eed"):  # agreed → agree; need stays
            return word[:-1] if len(word) > 5 else word
        if bare.endswith(_DOUBLED) and len(bare) > 3:
            return bare[:-1]
        return bare
    return word
