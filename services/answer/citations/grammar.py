"""What a citation marker looks like: `[1]`, `[1, 3]`, `[2-4]`, `[Source: report.pdf, page 3]`."""

from __future__ import annotations

import re
import unicodedata

OPENING = "[【［〔〖⟦"
"""Characters a marker may begin with; models that write Chinese use the wide ones."""
CLOSING = "]】］〕〗⟧"
"""Characters a marker may end with."""

_MAX_RANGE = 50  # numbers one range may stand for; a wider one keeps only its ends

_FOREIGN = "来源|來源|资料|資料|出处|出處|文献|出典|quellen?|fuentes?|fontes?"
_SOURCE_WORD = rf"(?:sources?|src|{_FOREIGN})"
_NUMBERED = (
    rf"(?:{_SOURCE_WORD}|documents?|docs?|passages?|citations?|refs?|references?)\s*(?:numbers?|no\.?|nr\.?)?"
)
_NO_BRACKETS = str.maketrans("", "", OPENING + CLOSING)  # [1, [2]] names 1 and 2
_BETWEEN = re.compile(rf"[{re.escape(CLOSING)}]\s*[{re.escape(OPENING)}]")  # [[1][2]] does so, too
_YEARS = re.compile(r"\s*(?:1[5-9]|20)\d\d(?:\s*[-–—/]\s*(?:\d\d)?\d\d)?\s*")
_SINGULAR = ("source", "src", "document", "doc", "passage", "citation", "ref", "reference")
_WORDS = (
    *_SINGULAR,
    *(word + "s" for word in _SINGULAR),
    *("来源", "來源", "资料", "資料", "出处", "出處", "文献", "出典"),
    *("quelle", "quellen", "fuente", "fuentes", "fonte", "fontes"),
)
_LOCATOR = r"(?:,?\s*(?:pp?\.?|pages?|§+|lines?|sections?)\s*[0-9][0-9.\s–—-]*)?"
_NUMBERS = re.compile(
    rf"\s*(?:{_NUMBERED}\s*[:：#]?\s*)?\^?#?(?P<list>[0-9]+"
    rf"(?:\s*(?:[,;&，、]|and|[-–—])\s*(?:{_NUMBERED}\s*[:：#]?\s*)?[0-9]+)*){_LOCATOR}"
    r"\s*\.?\s*(?:†[^\n]*)?",
    re.IGNORECASE,
)
_RANGE = re.compile(r"([0-9]+)(?:\s*[-–—]\s*([0-9]+))?")
_SOURCE = re.compile(rf"\s*{_SOURCE_WORD}\s*[:：]\s*(?P<name>.*\S)\s*", re.IGNORECASE | re.DOTALL)
_NUMBERS_BEGIN = re.compile(r"\s*\^?#?(?:[0-9][0-9\s,;&，、†.§a-zA-Z–—\[\]【】［］〔〕〖〗⟦⟧-]*)?")
_SOURCE_BEGIN = re.compile(rf"\s*{_SOURCE_WORD}\s*[:：]", re.IGNORECASE)
_WORD_BEGIN = re.compile(
    r"\s*([a-z]+|[\u4e00-\u9fff]{1,2})(\s*[:：#]?[\s0-9,;&，、†.§a-z–—-]*)", re.IGNORECASE
)


def source_numbers(inside: str) -> tuple[int, ...]:
    """The numbers a marker's inside names, each once, in order; empty when it names none.

    Digits of every script count (`[１]`, `[①]`, `[٣]`). `2-4` stands for 2, 3, 4. A range that runs backwards
    or over more than 50 numbers keeps its ends. Years name no source: `[2014] EWCA Civ 5`.
    """
    plain = _BETWEEN.sub(",", _plain(inside)).translate(_NO_BRACKETS)
    match = _NUMBERS.fullmatch(plain)
    if match is None or _YEARS.fullmatch(plain):
        return ()
    numbers: dict[int, None] = {}
    for first, last in _RANGE.findall(match["list"]):
        low, high = int(first), int(last or first)
        spread = range(low, high + 1) if 0 <= high - low <= _MAX_RANGE else (low, high)
        numbers.update(dict.fromkeys(spread))
    return tuple(numbers)


def source_name(inside: str) -> str:
    """What `Source: ...` names, as written; empty when the inside has no such form."""
    match = _SOURCE.fullmatch(_visible(inside))
    return match["name"] if match else ""


def names_source(inside: str) -> bool:
    """Whether an unfinished inside already has the form `Source:`, which nothing but a marker has."""
    return _SOURCE_BEGIN.match(_visible(inside)) is not None


def may_become_marker(inside: str, numbers_allowed: bool) -> bool:
    """Whether an unfinished inside can still turn out to be a marker."""
    if names_source(inside):
        return True
    inside = _plain(inside)
    if numbers_allowed and _NUMBERS_BEGIN.fullmatch(inside):
        return True
    match = _WORD_BEGIN.fullmatch(inside)
    if match is None:
        return not inside.strip()
    word, rest = match[1].lower(), match[2]
    return word in _WORDS if rest else any(known.startswith(word) for known in _WORDS)


def _visible(inside: str) -> str:
    """Without invisible format characters, which could make a marker look like none."""
    if inside.isascii():
        return inside
    return "".join(character for character in inside if unicodedata.category(character) != "Cf")


def _plain(inside: str) -> str:
    """Visible, with the digits of every script as 0 to 9."""
    if inside.isascii():
        return inside
    return "".join(_digit(character) for character in _visible(inside))


def _digit(character: str) -> str:
    compatible = unicodedata.normalize("NFKC", character)  # ⑫ is 12
    digits = [unicodedata.digit(one, None) for one in compatible]
    return character if None in digits else "".join(map(str, digits))
