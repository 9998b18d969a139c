"""Terms that a tokenizer for spaced words loses: writing without spaces, and identifiers with signs inside.

BM25's tokenizer cuts at whatever is neither letter nor digit. A Chinese sentence then is one term, which no
question repeats, and `ERR-4512` is `err` and `4512`, which stand everywhere. Here such places are found;
questions and passages go through the same code, so that their terms meet.

- Chinese, Japanese and Korean become overlapping pairs of characters (McNamee and Mayfield, "Character
  N-Gram Tokenization for European Language Text Retrieval", 2004, compare such terms with words). Passages
  also hold the single characters, for questions that consist of one. Korean has spaces, but glues particles
  to its words.
- Thai, Lao, Khmer and Burmese, whose alphabets are small, become overlapping triples.
- An identifier (`ISO-9001:2015`, `v2.3.1`, `a_b_c`, `1,250.5`, `§ 12.3`) becomes one term besides its parts.
  Which sign joins the parts makes no difference: documents write `ISO 9001-2015` too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import filterfalse

_PAIRED = "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff" \
          "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af"  # fmt: skip
_TRIPLED = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0eae\u0eb0-\u0ecd\u0edc-\u0edf\u1780-\u17d3" \
           "\u1000-\u103f\u1050-\u108f"  # fmt: skip
_UNSPACED = re.compile(f"[{_PAIRED}{_TRIPLED}]")
_RUN = re.compile(f"([{_PAIRED}]+)|[{_TRIPLED}]+")

# Tone marks and the like, at which the tokenizer would cut a term in two.
_MARKS = dict.fromkeys(
    [
        *range(0x0E47, 0x0E4D), 0x0E4E, 0x0EBA, *range(0x0EC8, 0x0ECD),
        *range(0x17B4, 0x17B6), *range(0x17C9, 0x17D4), 0x1037, 0x1039, 0x103A,
    ]
)  # fmt: skip

_JOINT = "\ua78f"
"""A letter to the tokenizer, and one that no text has: it holds the parts of an identifier together."""
_PART = r"[^\W_]++"  # possessive: a word that goes no further is not tried in its shorter forms
_SIGNS = r"[-_.:/@\u2010\u2011\u2013]"
_CANDIDATE = re.compile(rf"(?<![^\W_]){_PART}(?:(?:{_SIGNS}{{1,3}}|(?<=\d),(?=\d)){_PART})+")
_TELLING = re.compile(r"[\d_@]|::")
"""What tells an identifier from `state-of-the-art` or `and/or`."""
_BETWEEN_PARTS = re.compile(r"[\W_]+")
_GROUPED_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SECTION = re.compile(rf"§\s*({_PART}(?:[-.:]{_PART})*)")
_LONGEST_IDENTIFIER = 80
"""Characters; longer ones are data, or addresses that nobody types."""


@dataclass(frozen=True, slots=True)
class TextTerms:
    """A text taken apart; each field is words with spaces between, for the tokenizer."""

    words: str
    """The text, a space for each run of writing without spaces."""
    grams: str
    """Pairs and triples of characters of such runs."""
    identifiers: str
    """Whole identifiers, signs replaced."""


def text_terms(text: str, *, is_question: bool) -> TextTerms:
    """Takes `text` apart.

    Compatibility forms are made alike first (Unicode NFKC): full-width letters, ligatures, umlauts of two
    code points.
    """
    grams: list[str] = []
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)

        if _UNSPACED.search(text):  # five times as fast as to look for whole runs

            def replace(run: re.Match[str]) -> str:
                grams.extend(_grams(run, is_question))
                return " "

            text = _RUN.sub(replace, text)
    return TextTerms(text, " ".join(grams), " ".join(_identifiers(text)))


def _grams(run: re.Match[str], is_question: bool) -> Iterator[str]:
    size = 2 if run[1] else 3
    characters = run[0].translate(_MARKS)
    if len(characters) < size:
        yield characters
        return
    for start in range(len(characters) - size + 1):
        yield characters[start : start + size]
    if run[1] and not is_question:
        yield from characters


def _identifiers(text: str) -> Iterator[str]:
    # Most words are letters only; leaving them out first makes this several times as fast.
    unusual = " ".join(filter(_TELLING.search, filterfalse(str.isalpha, text.split())))
    for found in _CANDIDATE.findall(unusual):
        if len(found) <= _LONGEST_IDENTIFIER and _TELLING.search(found):
            if _GROUPED_DIGITS.fullmatch(found):
                found = found.replace(",", "")
            yield _BETWEEN_PARTS.sub(_JOINT, found)
    if "§" in text:
        for number in _SECTION.findall(text):
            yield "section" + _JOINT + _BETWEEN_PARTS.sub(_JOINT, number[:_LONGEST_IDENTIFIER])
