"""Words that a typesetter divided at a line's end, put together again."""

from __future__ import annotations

import re
from itertools import pairwise

# PDFium writes a hyphen at a line's end as U+FFFE (U+0002 in some builds) and drops the line end.
# Each pattern begins with the rare characters it looks for: a search for those is ten times as fast as one
# that looks back at every place.
_DIVIDED = re.compile(
    "[\ufffe\x02\xad\u2010-](?<=[^\\W\\d_].)(?:(?<=[\ufffe\x02])\n?|(?<![\ufffe\x02])\n)(?=[^\\W\\d_])"
)
_OTHER_MARKS = re.compile("[\ufffe\x02]")
_DIGIT_BREAK = re.compile(r"\n(?<=\w[-\u2010]\n)(?=\w)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LONGEST_PART = 40


def join_divided_words(pages: list[str]) -> list[str]:
    """`pages` with words divided at line ends joined.

    Whether the hyphen belongs to the word is told from the rest of the document: the spelling found
    elsewhere wins; else the hyphen stays when both parts are words of the document ("high-spending") or
    the second is capitalised ("non-European"), and goes otherwise ("adipi-scing").
    """
    if not any(_DIVIDED.search(page) for page in pages):
        return [_plain_hyphens(page) for page in pages]
    known = _vocabulary(pages)
    return [_plain_hyphens(_join(page, known)) for page in pages]


def _vocabulary(pages: list[str]) -> frozenset[str]:
    """Words, and neighbours in hyphenated words ("ready-to", "to-drink"), in lower case."""
    words: set[str] = set()
    for page in pages:
        words.update(_WORD.findall(_without_divided_words(page).lower()))
    known: set[str] = set()
    for word in words:
        if "-" in word:
            parts = word.split("-")
            known.update(parts)
            known.update(map("-".join, pairwise(parts)))
        else:
            known.add(word)
    return frozenset(known)


def _without_divided_words(page: str) -> str:
    """`page` less the words that are divided, which are no evidence for themselves."""
    kept: list[str] = []
    end = 0
    for match in _DIVIDED.finditer(page):
        kept.append(page[end : max(end, match.start() - len(_letters_before(page, match.start())))])
        end = match.end() + len(_letters_after(page, match.end()))
    kept.append(page[end:])
    return " ".join(kept)


def _join(page: str, known: frozenset[str]) -> str:
    def joined(match: re.Match[str]) -> str:
        before = _letters_before(page, match.start())
        after = _letters_after(page, match.end())
        if not after[:1].islower() or not before[-1:].islower():
            return "-"
        whole, compound = (before + after).lower(), f"{before}-{after}".lower()
        if whole in known:
            return ""
        if compound in known or (before.lower() in known and after.lower() in known):
            return "-"
        return ""

    return _DIVIDED.sub(joined, page)


def _letters_before(page: str, end: int) -> str:
    start = end
    while start > 0 and end - start < _LONGEST_PART and page[start - 1].isalpha():
        start -= 1
    return page[start:end]


def _letters_after(page: str, start: int) -> str:
    end = start
    while end < len(page) and end - start < _LONGEST_PART and page[end].isalpha():
        end += 1
    return page[start:end]


def _plain_hyphens(page: str) -> str:
    """Marks that divide no word become hyphens; "737-" above "10" becomes "737-10"."""
    return _DIGIT_BREAK.sub("", _OTHER_MARKS.sub("-", page))
