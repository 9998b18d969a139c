"""Running heads and feet: the lines that a layout repeats at the edges of pages, dropped.

Left in, they tear sentences apart at every page break and make pages alike to a search. What is dropped, and
nothing else, as a line that looks like a running head but is not would be lost:

- Page numbers: lines at an edge that hold a number which grows with the pages, and at most words for "page"
  and the count of all pages ("12", "Page 12 of 90", "- xii -").
- Running heads: lines at an edge that are the same, but for a number which grows with the pages, on at least
  four pages with at most one other between each two (left and right pages may differ). The first page of
  each such run keeps its line, so that no words vanish from the document.

Of several repeated lines at an edge, those are dropped that lie between it and such a number, else the
outermost alone, and not when numbers follow it on most pages: the head of a table may repeat as well.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice, zip_longest

MIN_PAGES = 4
"""Pages on which a line must be seen."""
_EDGE_LINES = 3
"""Lines at each edge that are looked at."""
_LARGEST_GAP = 2
"""From one page of a run to the next one: a chapter's head on left pages only has 2."""
_MAX_LINE_CHARACTERS = 200
_MAX_NUMBERS = 4
"""Numbers in a line; one with more is a row of a table."""

_NUMBER = re.compile(r"(?<![0-9a-z])(?<!\d[.,])(?:\d{1,5}|[ivxlcdm]{1,15})(?![0-9a-z])(?![.,]\d)")
_ROMAN = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})\Z")
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_COUNT_SIGN = re.compile(r"[/|]|[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")
_PAGE_WORDS_TEXT = """
    page pages pg p of seite seiten s von página páginas pagina pag pág de di van sur side av sida стр из
    страница strona z stránka oldal sayfa 页 頁 第 共 ページ 페이지 쪽 صفحة من עמוד מתוך
"""
_PAGE_WORDS = frozenset(_PAGE_WORDS_TEXT.split())
"""Page, and of, in the languages of most documents."""


class _Kind(Enum):
    PAGE_NUMBER = auto()
    """Nothing but a number that grows with the pages."""
    NUMBERED = auto()
    """Words, and such a number."""
    FIXED = auto()
    """The same on every page."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What lines of one series have in common."""

    kind: _Kind
    at_foot: bool
    """False for all page numbers: they may stand at the head here, at the foot there."""
    text: str
    """The line without what may differ."""
    offset: int = 0
    """The number less the page's index."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """The first or last lines of a page, outermost first."""

    lines: tuple[int, ...]
    """Their indexes."""
    keys: tuple[tuple[_Key, ...], ...]
    """The series each may belong to, those with a number first."""
    digits_follow: bool
    """Whether the line next to the outermost one has any."""


@dataclass(slots=True)
class _Series:
    """The pages on which a key's lines are running lines."""

    pages: set[int]
    first: set[int]
    """Those where a run begins; page numbers have none."""
    over_table: bool
    """Whether it may be the head of a table."""


def drop_running_lines(pages: Sequence[str]) -> list[str]:
    """`pages` without running heads, running feet and page numbers; in linear time.

    Texts are normalised (see `normalisation.clean`), and so are the results. A page of nothing else is left
    as it is, and so are documents of fewer than four pages.
    """
    if len(pages) < MIN_PAGES:
        return list(pages)
    split = [page.split("\n") for page in pages]
    edges = [
        (_edge(index, lines, at_foot=False), _edge(index, lines, at_foot=True))
        for index, lines in enumerate(split)
    ]
    series = _find_series(edges)
    result = list(pages)
    for index, lines in enumerate(split):
        dropped = {number for edge in edges[index] for number in _running(edge, index, series)}
        if dropped:
            kept = "\n".join(line for number, line in enumerate(lines) if number not in dropped).strip("\n")
            result[index] = kept or result[index]
    return result


def _edge(index: int, lines: Sequence[str], *, at_foot: bool) -> _Edge:
    inwards = range(len(lines) - 1, -1, -1) if at_foot else range(len(lines))
    edge = tuple(islice((number for number in inwards if lines[number]), _EDGE_LINES))
    return _Edge(
        edge,
        tuple(tuple(_keys(lines[number], index, at_foot=at_foot)) for number in edge),
        len(edge) > 1 and any(map(str.isdigit, lines[edge[1]])),
    )


def _keys(line: str, index: int, *, at_foot: bool) -> Iterator[_Key]:
    """The series that `line`, on the page of that index, may belong to."""
    if len(line) > _MAX_LINE_CHARACTERS:
        return
    text = " ".join(line.casefold().split())
    # The Italian "di" would be 501.
    numbers = [match for match in _NUMBER.finditer(text) if match.group() not in _PAGE_WORDS]
    for match in numbers if len(numbers) <= _MAX_NUMBERS else ():
        value = _value(match.group())
        if value is None:
            continue
        rest = f"{text[: match.start()]}#{text[match.end() :]}"
        words = [word for word in _WORD.findall(rest) if word not in _PAGE_WORDS]
        if not words:
            # The count of all pages, if it is there: it must be the same on every page.
            count = [other.group() for other in numbers if other is not match]
            if not count or (len(count) == 1 and _COUNT_SIGN.search(rest)):
                yield _Key(_Kind.PAGE_NUMBER, False, "".join(count), value - index)
        elif len(words) > 1:
            # With a single word it may be a heading, "Exercise 7", on a page of its own.
            yield _Key(_Kind.NUMBERED, at_foot, rest, value - index)
    if _WORD.search(text):
        yield _Key(_Kind.FIXED, at_foot, text)


def _value(number: str) -> int | None:
    """The value of decimal or Roman digits, None for letters that are no number."""
    if number.isdecimal():
        return int(number)
    if not _ROMAN.match(number):
        return None
    values = [_ROMAN_DIGITS[digit] for digit in number]
    return sum(
        -value if value < after else value for value, after in zip_longest(values, values[1:], fillvalue=0)
    )


def _find_series(edges: Sequence[tuple[_Edge, _Edge]]) -> dict[_Key, _Series]:
    seen: dict[_Key, list[int]] = defaultdict(list)
    over_digits: Counter[_Key] = Counter()
    for index, both in enumerate(edges):
        for edge in both:
            for depth, keys in enumerate(edge.keys):
                for key in keys:
                    if seen[key][-1:] != [index]:
                        seen[key].append(index)
                        over_digits[key] += depth == 0 and edge.digits_follow
    found: dict[_Key, _Series] = {}
    for key, indexes in seen.items():
        # A page number that is where it should be needs no neighbours.
        runs = [indexes] if key.kind is _Kind.PAGE_NUMBER else _runs(indexes)
        long = [run for run in runs if len(run) >= MIN_PAGES]
        if long:
            found[key] = _Series(
                pages={index for run in long for index in run},
                first=set() if key.kind is _Kind.PAGE_NUMBER else {run[0] for run in long},
                over_table=key.kind is _Kind.FIXED and 2 * over_digits[key] > len(indexes),
            )
    return found


def _runs(indexes: Sequence[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for index in indexes:
        if run and index - run[-1] > _LARGEST_GAP:
            yield run
            run = []
        run.append(index)
    yield run


def _running(edge: _Edge, index: int, series: dict[_Key, _Series]) -> list[int]:
    """The lines of an edge to drop: down to the last with a number, else the outermost where that is safe."""
    dropped: list[int] = []
    reached: list[int] = []
    for depth, (number, keys) in enumerate(zip(edge.lines, edge.keys, strict=True)):
        key = next((key for key in keys if key in series and index in series[key].pages), None)
        if key is None:
            break
        if index not in series[key].first:
            reached.append(number)
        if key.kind is not _Kind.FIXED or (depth == 0 and not series[key].over_table):
            dropped = list(reached)
    return dropped
