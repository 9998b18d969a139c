"""The numbers Word shows before headings and list items: they stand in no text and must be counted.

ECMA-376 part 1, 17.9: a paragraph names a numbering instance (`num`) and a level; the instance points to an
abstract definition, whose levels say how to count and to write. Instances of one definition count on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from services.ingest.parsers.docx.styles import WORD, attribute

LEVELS = 9
_MAX_DEFINITIONS = 10_000
_MAX_NUMBER = 1_000_000
_MAX_PATTERN = 64
"""Code points of a level's text."""
_MAX_LINKS = 4
"""Definitions that point to others by a style; they may form a ring."""
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
    (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LONGEST_ROMAN = 3999
_LONGEST_LETTERS = 26 * 8


@dataclass(frozen=True, slots=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    pattern: str = ""
    """`%1` stands for the number of the outermost level."""
    legal: bool = False
    """Every level is written in decimal digits."""
    restarts: bool = True
    """A paragraph of an outer level begins the count anew."""
    style: str = ""
    """The id of the paragraph style that belongs to this level."""


_NO_LEVEL = _Level(form="none")


@dataclass(slots=True)
class _Definition:
    levels: dict[int, _Level]
    link: str = ""
    """The id of a numbering style that holds the definition instead."""
    counts: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Instance:
    definition: str
    starts: dict[int, int]
    """Level → where this instance begins to count, instead of going on."""
    levels: dict[int, _Level]
    used: bool = False


class Numbering:
    """Counts numbered paragraphs, each in the order of the document."""

    def __init__(self, root: etree._Element | None, style_instances: dict[str, str] | None = None) -> None:
        """`root` of the numbering part, None when there is none; what it says wrongly is left out.

        `style_instances` maps the ids of numbering styles to instances.
        """
        self._definitions: dict[str, _Definition] = {}
        self._instances: dict[str, _Instance] = {}
        if root is None:
            return
        for element in root.findall(f"{WORD}abstractNum")[:_MAX_DEFINITIONS]:
            link = attribute(element.find(f"{WORD}numStyleLink"), "val")
            self._definitions[attribute(element, "abstractNumId")] = _Definition(
                _levels(element), (style_instances or {}).get(link, "")
            )
        for element in root.findall(f"{WORD}num")[:_MAX_DEFINITIONS]:
            self._instances[attribute(element, "numId")] = _instance(element)

    def level_of_style(self, instance: str, style: str) -> int:
        """The level that the paragraph style `style` has in `instance`; 0 where it is not named."""
        found = self._find(instance)
        if found is not None:
            for number, level in found[1].levels.items():
                if level.style == style:
                    return number
        return 0

    def next(self, instance: str, level: int) -> str:
        """Counts a paragraph; what Word writes before it: `2.3`, `b)`, `1.`; empty for bullets and faults."""
        found = self._find(instance)
        if found is None or not 0 <= level < LEVELS:
            return ""
        chosen, definition = found
        counts = definition.counts
        if not chosen.used:
            chosen.used = True
            counts.update({number: start - 1 for number, start in chosen.starts.items()})

        def settings(number: int) -> _Level:
            return chosen.levels.get(number) or definition.levels.get(number, _NO_LEVEL)

        for outer in range(level):
            counts.setdefault(outer, settings(outer).start)
        counts[level] = min(counts.get(level, settings(level).start - 1) + 1, _MAX_NUMBER)
        for inner in [number for number in counts if number > level]:
            if settings(inner).restarts:
                del counts[inner]
        shown = settings(level)
        if shown.form == "bullet":
            return ""
        text = shown.pattern
        for outer in range(level + 1):
            form = "decimal" if shown.legal else settings(outer).form
            text = text.replace(f"%{outer + 1}", _written(counts[outer], form))
        return " ".join(text.split())

    def _find(self, instance: str) -> tuple[_Instance, _Definition] | None:
        for _ in range(_MAX_LINKS):
            chosen = self._instances.get(instance)
            definition = self._definitions.get(chosen.definition) if chosen is not None else None
            if chosen is None or definition is None:
                return None
            if not definition.link or definition.levels:
                return chosen, definition
            instance = definition.link
        return None


def _instance(element: etree._Element) -> _Instance:
    starts: dict[int, int] = {}
    for override in element.findall(f"{WORD}lvlOverride")[:LEVELS]:
        start = override.find(f"{WORD}startOverride")
        if start is not None:
            starts[_number(attribute(override, "ilvl"), 0)] = _number(attribute(start, "val"), 1)
    levels: dict[int, _Level] = {}
    for override in element.findall(f"{WORD}lvlOverride")[:LEVELS]:
        levels |= _levels(override)
    return _Instance(attribute(element.find(f"{WORD}abstractNumId"), "val"), starts, levels)


def _levels(parent: etree._Element) -> dict[int, _Level]:
    levels: dict[int, _Level] = {}
    for element in parent.findall(f"{WORD}lvl")[:LEVELS]:
        legal = element.find(f"{WORD}isLgl")
        levels[_number(attribute(element, "ilvl"), 0)] = _Level(
            start=_number(attribute(element.find(f"{WORD}start"), "val"), 1),
            form=attribute(element.find(f"{WORD}numFmt"), "val") or "decimal",
            pattern=attribute(element.find(f"{WORD}lvlText"), "val")[:_MAX_PATTERN],
            legal=legal is not None and attribute(legal, "val") not in ("0", "false", "off"),
            restarts=attribute(element.find(f"{WORD}lvlRestart"), "val") != "0",
            style=attribute(element.find(f"{WORD}pStyle"), "val"),
        )
    return levels


def _number(value: str, default: int) -> int:
    # int() takes digits of any script and any length; a damaged file may hold either.
    if not (value.isascii() and value.isdecimal()):
        return default
    return min(int(value[:9]), _MAX_NUMBER)


def _written(number: int, form: str) -> str:
    """`number` in the form that ST_NumberFormat names; forms of other scripts in decimal digits."""
    match form:
        case "none" | "bullet":
            return ""
        case "decimalZero":
            return f"{number:02d}"
        case "lowerLetter" | "upperLetter" if 1 <= number <= _LONGEST_LETTERS:
            letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
            return letter.upper() if form == "upperLetter" else letter
        case "lowerRoman" | "upperRoman" if 1 <= number <= _LONGEST_ROMAN:
            roman = ""
            for value, letters in _ROMAN:
                roman += letters * (number // value)
                number %= value
            return roman.upper() if form == "upperRoman" else roman
        case _:
            return str(number)
