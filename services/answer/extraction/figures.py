"""Years, versions, codes and numbered clauses that a question names.

What passages say of another year or version is no answer. Quantities are not among them: a question about
12 years of service is answered by "10 to 15 years", and one about a bill of 80 euros by a limit of 60. In
doubt a number is a quantity, which refuses nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from services.answer.extraction.ranges import ranges
from services.answer.language.numerals import chinese_numbers

_PARTS = r"\d+(?:\.\d+)*"
_CURRENCY = "EUR|USD|GBP|CHF|JPY|CNY"
# No decade (1970s), which may be written as a century, no amount, no count ("1500 miles").
_YEAR = re.compile(
    r"(?<![\w.,:$€£¥-])(?:FY[ -]?)?((?:1\d|20)\d\d)"
    rf"(?!\w|%|[.,:]\d|['’]s\b|\s*[$€£¥]|\s+(?:[a-z]+s|{_CURRENCY}|[Ee]uro|km|kg|[gm]b|people)\b)"
)
_ANY_YEAR = re.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
_FIGURES = (
    _YEAR,
    # A code. With two digits: CO2, mp3 and Q3 have other names as well.
    re.compile(rf"(?<![\w-])(?!mid-|pre-|post-|FY|{_CURRENCY})([A-Za-z]{{1,6}}[-_]?\d{{2,}}(?:[-_]?\w+)*)"),
    # A version. One point may be that of a quantity ("2.5 days"), but not in "of StationLink 5.0".
    re.compile(rf"(?<=\w )(?!{_CURRENCY})[A-Z]\w+ (\d+\.\d+)(?![\w%]|\.\d|\s+[a-z]+s\b)"),
    re.compile(r"(?<![\w.,:-])(?!\d+\.\d+\.\d{4}\b)(\d+\.\d+\.\d+(?:\.\d+)*)(?!\w)"),
    re.compile(
        r"(?:§§?|\b(?:articles?|sections?|clauses?|paragraphs?|chapters?|annex|appendix|version"
        rf"|artikel|abschnitt|kapitel|anhang|artículo|articolo))\s*({_PARTS})(?!\w)",
        re.IGNORECASE,
    ),
    re.compile(rf"第\s*({_PARTS})|(\d{{4}})\s*年"),
)


def figures_of(question: str) -> frozenset[str]:
    """What it names by figures; of versions and clauses the number alone."""
    text = _plain(question)
    return frozenset(
        group for pattern in _FIGURES for match in pattern.finditer(text) for group in match.groups() if group
    )


class Figures:
    """The figures a text states, ready to be asked for several."""

    def __init__(self, text: str) -> None:
        self._text = _plain(text)
        self._ranges = ranges(text)
        self._spelled = chinese_numbers(text)

    @property
    def have_years(self) -> bool:
        """Whether the text states any year."""
        return _ANY_YEAR.search(self._text) is not None

    def hold(self, figure: str) -> bool:
        """Whether the text states it: as it is, as part of a date or a longer version, or in a range.

        Codes are compared without case and whatever joins their parts: `VPN-12` is `vpn 12`.
        """
        if figure[0].isalpha():
            spelled = "[-_ ]?".join(re.findall(r"\d+|[^\W\d_]+", figure))
            return re.search(rf"(?<!\w){spelled}(?!\d)", self._text, re.IGNORECASE) is not None
        if re.search(rf"(?<!\d){re.escape(figure)}(?!\d)", self._text):
            return True
        if not figure.isdecimal():
            return False
        return figure in self._spelled or any(low <= int(figure) <= high for low, high in self._ranges)


def speaks_of(figures: Collection[str], passage: str, passages: Iterable[str]) -> bool:
    """Whether `passage`, one of `passages`, may speak of figures.

    It does when it states each, but for a year where it has none: rules that hold until they
    are changed name no year, and are asked for with this year's. Where other passages have years, one of them
    must state it.
    """
    if not figures:
        return True  # most questions name none, and a passage is long
    stated = Figures(passage)
    missing = [figure for figure in figures if not stated.hold(figure)]
    if not missing:
        return True
    if stated.have_years or not all(map(_YEAR.fullmatch, missing)):
        return False
    others = Figures("\n".join(passages))
    return not others.have_years or all(map(others.hold, missing))


def _plain(text: str) -> str:
    """With the digits of every script as 0 to 9."""
    normal = unicodedata.normalize("NFKC", text)
    if normal.isascii():
        return normal
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in normal)
