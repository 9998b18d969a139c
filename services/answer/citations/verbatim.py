"""Word-for-word comparison that forgives white space, typography and Markdown, and nothing else."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator

from services.answer.language.markup import Plain
from services.answer.language.words import words

_SAME = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»〝〞＂", '"'),
        **dict.fromkeys("‘’‚‛‹›＇`´", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
    }
)
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"  # soft hyphen, zero-width space, word joiner, byte order mark
_COLLAPSED = re.compile(rf"[\s{_INVISIBLE}]{{2,}}|[{_INVISIBLE}]")
_SPACE = re.compile(r"\s")
_QUOTED = re.compile(
    r"“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»|»([^«»]+)«|「([^「」]+)」|『([^『』]+)』|\"([^\"]+)\""
)
_ELLIPSIS = re.compile(r"\[\s*(?:\.{3}|…)\s*\]|\.{3}|…")
_NUMBER_BEFORE = re.compile(r"(?:\d[.,:/'-]|(?:^|\s)[-+]|[$€£¥#])$")
_NUMBER_AFTER = re.compile(r"[.,:/'-]\d|[%‰°]")
_GROUP = re.compile(r"\d{3}(?!\d)")  # 10 000: the second group ...
_GROUPED = re.compile(r"(?<!\d)\d{1,3} $")  # ... and the first
_EDGES = " \t\r\n.,;:!?…。！？、，；：\"'“”‘’„«»「」『』"
_MIN_QUOTED_WORDS = 4
_MIN_QUOTED_CHARACTERS = 15
_MIN_QUOTED_PAIRS = 7  # of Chinese or Japanese characters: 8 characters hold about 4 words
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


class VerbatimText:
    """A text made ready for word-for-word search; found places are offsets of the original text."""

    def __init__(self, text: str) -> None:
        self._plain = Plain(text)
        self._canonical, self._marks, self._origins = _canonical(self._plain.text)

    def find(self, needle: str) -> tuple[int, int] | None:
        """The first of `places`; None when there is none."""
        return next(self.places(needle), None)

    def places(self, needle: str) -> Iterator[tuple[int, int]]:
        """Where `needle`, already `canonical`, stands, as code points [start, end) of the text.

        Runs of white space count as one blank, typographic quotation marks and dashes as the plain
        ones, invisible characters and Markdown's signs as nothing; the case of the first letter is free. It
        never starts or ends inside a word or a number: `5` is not found in `50`, `5.5` or `-5`.
        """
        if not needle:
            return
        for form in dict.fromkeys((needle, needle[0].swapcase() + needle[1:])):
            start = self._canonical.find(form)
            while start >= 0:
                end = start + len(form)
                if self._whole_words(start, end):
                    yield self._plain.origin(self._origin(start), self._origin(end - 1) + 1)
                start = self._canonical.find(form, start + 1)

    def _origin(self, position: int) -> int:
        mark = bisect_right(self._marks, position) - 1
        return self._origins[mark] + position - self._marks[mark]

    def _whole_words(self, start: int, end: int) -> bool:
        text = self._canonical
        if start and _joined(text[start - 1], text[start]):
            return False
        if end < len(text) and _joined(text[end - 1], text[end]):
            return False
        if text[start].isdigit() and (
            _NUMBER_BEFORE.search(text, max(0, start - 2), start)
            or (_GROUP.match(text, start) and _GROUPED.search(text, max(0, start - 5), start))
        ):
            return False
        if not text[end - 1].isdigit():
            return True
        is_grouped = text[end : end + 1] == " " and _GROUP.match(text, end + 1)
        return not _NUMBER_AFTER.match(text, end) and not (
            is_grouped and _GROUPED.search(f"{text[max(0, end - 4) : end]} ")
        )


def candidates(sentence: str) -> list[str]:
    """What counts as the whole sentence, canonical: itself, and without closing punctuation."""
    plain = Plain(sentence).text
    return list(dict.fromkeys(canonical(form) for form in (plain.strip(), plain.strip(_EDGES))))


def quotations(sentence: str) -> list[str]:
    """Pieces in quotation marks, canonical, that are long enough to prove something.

    At least four words and 15 characters; in scripts without blanks at least eight characters.
    """
    found = []
    for groups in _QUOTED.findall(sentence):
        piece = next(group for group in groups if group)
        count = len(words(piece))
        if _UNSPACED.search(piece):
            long_enough = count >= _MIN_QUOTED_PAIRS
        else:
            long_enough = count >= _MIN_QUOTED_WORDS and len(piece) >= _MIN_QUOTED_CHARACTERS
        if long_enough:
            # What an ellipsis leaves out is no part of the quotation.
            parts = (part.strip(_EDGES) for part in _ELLIPSIS.split(piece))
            found += [canonical(part) for part in parts if part]
    return found


def without_quotations(sentence: str) -> str:
    """The sentence's own words: what stands in quotation marks is somebody else's."""
    return _QUOTED.sub(" ", sentence)


def canonical(text: str) -> str:
    """`text` with one spelling for white space and typography, without Markdown's signs."""
    return _canonical(Plain(text).text)[0]


def _canonical(text: str) -> tuple[str, list[int], list[int]]:
    """(canonical text, positions in it after which offsets change, origins of those positions).

    Between two marks the offsets of both texts run in step.
    """
    pieces: list[str] = []
    marks, origins = [0], [0]
    length = copied = 0
    for match in _COLLAPSED.finditer(text):
        pieces.append(text[copied : match.start()])
        length += match.start() - copied
        if not match.group().strip(_INVISIBLE).isspace():
            blank = ""
        else:
            blank = " "
            marks.append(length)
            origins.append(match.start())
        pieces.append(blank)
        length += len(blank)
        copied = match.end()
        marks.append(length)
        origins.append(copied)
    pieces.append(text[copied:])
    return _SPACE.sub(" ", "".join(pieces)).translate(_SAME), marks, origins


def _joined(left: str, right: str) -> bool:
    """Whether no word boundary can lie between the two characters."""
    if unicodedata.category(right)[0] == "M" or right in "\u200d\u200c" or left == "\u200d":
        return True
    if not (left.isalnum() or left == "_") or not (right.isalnum() or right == "_"):
        return False
    return not _UNSPACED.match(left) and not _UNSPACED.match(right)
