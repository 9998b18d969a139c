"""Markdown that shapes a text and is no part of what it says, found without a parser.

Emphasis, links around their words, comments, fences, and the signs that begin quoted lines, as CommonMark
0.31 has them where one paragraph tells. Code stays as it is, and so does what is only half there: a chunk may
be cut anywhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Generator, Iterator

_MAY_BEGIN = re.compile(r"[*_\[!<`>]")
_QUOTED_LINE = re.compile(r"(?:>[ ]?)+")
_FENCE = re.compile(r"`{3,}[^`\n]*(?:\n|\Z)")
_CLOSING_FENCE = re.compile(r"^[ \t]*`{3,}[ \t]*(?:\n|\Z)", re.MULTILINE)
_TICKS = re.compile(r"`+")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_COMMENT = re.compile(r"<!--.{0,1000}?-->", re.DOTALL)
_LINK = re.compile(  # rows[i][j], the [Tenant](herein) and [citation needed][3] are none
    r"(?<![A-Za-z0-9_\])])!?\[(?P<words>[^\[\]]{1,300})\]"
    r"(?:\((?=[^()\s]{0,2000}[./#:?])[^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?(?:\s\"[^\"\n]{0,200}\")?\)"
    r"|\[(?!\d+\])[^\[\]]{0,200}\])"
)
_EMPHASIS = re.compile(  # 2**3, 5 * 3, snake_case and __name__ are none
    r"(?<![A-Za-z0-9*])(\*{1,3})(?![\s*])(?P<starred>(?:(?!\n[ \t]*\n)[^*]){1,500})(?<!\s)\1(?![A-Za-z0-9*])"
    r"|(?<!\w)(_{1,3})(?![\s_]|\w+__)(?P<barred>(?:(?!\n[ \t]*\n)[^_]|(?<=\w)_(?=\w)){1,500})(?<!\s)\3(?!\w)"
)
_LONGEST_CODE = 1000  # characters of a code span
_DEEPEST = 12  # blanks before a fence or a quotation in a list


class Plain:
    """A text without its markup, and the way back."""

    def __init__(self, text: str) -> None:
        self._source = text
        self._cuts = list(_cuts(text, 0, len(text)))
        # Where each piece that remains begins: in the text itself, and in what remains.
        self._origins = [0, *(end for _, end in self._cuts)]
        self._begins = [0]
        for (start, _), origin in zip(self._cuts, self._origins[:-1], strict=True):
            self._begins.append(self._begins[-1] + start - origin)
        self.text = self.between(0, len(text))
        """What remains."""

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where what remains at [start, end) stands in the text itself, with the markup that touches it."""
        begin = self._place(start - 1) + 1 if start else 0
        return begin, self._place(end) if end < len(self.text) else len(self._source)

    def between(self, start: int, end: int) -> str:
        """What remains of the characters [start, end) of the text itself."""
        pieces = []
        for cut_start, cut_end in self._cuts:
            if cut_start >= end:
                break
            if cut_end > start:
                pieces.append(self._source[start:cut_start])
                start = cut_end
        pieces.append(self._source[start:end])
        return "".join(pieces)

    def _place(self, position: int) -> int:
        piece = bisect_right(self._begins, position) - 1
        return self._origins[piece] + position - self._begins[piece]


def _cuts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the markup of text[start:end] stands: [start, end) of each sign, in order."""
    at = start
    while begun := _MAY_BEGIN.search(text, at, end):
        at = begun.start()
        if text[at] == "`":
            at = yield from _cuts_of_code(text, at, end)
            continue
        if text[at] in "<>":
            sign = _COMMENT.match(text, at, end) if text[at] == "<" else _quoted(text, at, end)
            if sign:
                yield sign.span()
            at = sign.end() if sign else at + 1
            continue
        around = (_LINK if text[at] in "[!" else _EMPHASIS).match(text, at, end)
        if not around:
            at += 1
            continue
        inner = around.span(around.lastgroup or 0)
        yield at, inner[0]
        yield from _cuts(text, *inner)
        yield inner[1], around.end()
        at = around.end()


def _quoted(text: str, at: int, end: int) -> re.Match[str] | None:
    return _QUOTED_LINE.match(text, at, end) if _begins_line(text, at) else None


def _cuts_of_code(text: str, at: int, end: int) -> Generator[tuple[int, int], None, int]:
    """The fences of the code that back-ticks at `at` begin; returns where it ends."""
    fence = _FENCE.match(text, at, end) if _begins_line(text, at) else None
    if fence:
        yield fence.span()
        closing = _CLOSING_FENCE.search(text, fence.end(), end)
        if closing:
            yield closing.span()
        return (closing or fence).end()
    ticks = _TICKS.match(text, at, end)
    after = ticks.end() if ticks else at + 1
    paragraph = _PARAGRAPH_END.search(text, after, min(end, after + _LONGEST_CODE))
    limit = paragraph.start() if paragraph else min(end, after + _LONGEST_CODE)
    return next(
        (each.end() for each in _TICKS.finditer(text, after, limit) if len(each[0]) == after - at), after
    )


def _begins_line(text: str, at: int) -> bool:
    before = text[max(0, at - _DEEPEST) : at]
    return not before.rpartition("\n")[2].strip() and ("\n" in before or len(before) == at)
