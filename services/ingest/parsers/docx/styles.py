"""What a Word paragraph is by its style: a heading, the title, a list item, or plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from docx.document import Document
from lxml import etree

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

# Word stores the names of its own styles in English, whatever language it speaks to people.
_HEADING_NAME = re.compile(r"heading ([1-9])\Z", re.IGNORECASE)
_LIST_NAME = re.compile(r"list (?:bullet|number)(?: ([2-5]))?\Z", re.IGNORECASE)
_MAX_BASES = 16
_LEVELS = frozenset("012345678")
_BODY_LEVEL = 9
"""The outline level that means: no heading."""


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    """What a paragraph is."""

    heading_level: int = 0
    """1 to 9; 0 for what is no heading."""
    is_title: bool = False
    list_depth: int | None = None
    """0 outermost; None for what is no list item."""
    instance: str = ""
    """The id of the numbering it takes part in; empty for none."""
    level: int | None = None
    """Its level there, 0 outermost; None where the numbering tells it by the style."""
    style: str = ""
    """The id of the paragraph style."""


_PLAIN = ParagraphStyle()
_NO_INSTANCE = "0"
"""Takes a paragraph out of the numbering of its style."""


def attribute(element: etree._Element | None, name: str) -> str:
    """The value of a WordprocessingML attribute; empty when it, or the element, is missing."""
    return "" if element is None else str(element.get(f"{WORD}{name}", ""))


class ParagraphStyles:
    """Looks up styles by their ids; every style is worked out once."""

    def __init__(self, document: Document) -> None:
        """Raises what the library raises when the style part is missing or damaged."""
        self._elements: dict[str, etree._Element] = {}
        self._known: dict[str, ParagraphStyle] = {}
        for style in document.part.styles.element.iterfind(f"{WORD}style"):
            self._elements[attribute(style, "styleId")] = style

    def numbering_instances(self) -> dict[str, str]:
        """The numbering that each style names, by the style's id."""
        named = ((key, element.find(_NUM_ID)) for key, element in self._elements.items())
        return {key: attribute(number, "val") for key, number in named if number is not None}

    def of(self, paragraph: etree._Element) -> ParagraphStyle:
        """What `paragraph` is: its own outline level and numbering go before those of its style."""
        properties = paragraph.find(f"{WORD}pPr")
        if properties is None:
            return _PLAIN
        name = attribute(properties.find(f"{WORD}pStyle"), "val")
        style = self._style(name) if name else _PLAIN
        level = _outline_level(properties)
        if level is not None:
            style = replace(style, heading_level=level)
        numbering = properties.find(f"{WORD}numPr")
        return style if numbering is None else _numbered(style, numbering)

    def _style(self, name: str) -> ParagraphStyle:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._work_out(name)
        return known

    def _work_out(self, name: str) -> ParagraphStyle:
        found, first = _PLAIN, name
        kind_known = False
        # Styles build on others; the chain is bounded, for it may be a ring.
        for _ in range(_MAX_BASES):
            element = self._elements.get(name)
            if element is None:
                break
            if not kind_known:
                kind = _kind(element)
                if kind is not None:
                    found, kind_known = replace(kind, instance=found.instance, level=found.level), True
            numbering = element.find(f"{WORD}pPr/{WORD}numPr")
            if numbering is not None and not found.instance:
                found = _numbered(found, numbering)
                # A paragraph in a list style is a list item, unless it is a heading.
                kind_known = kind_known or found.list_depth is not None
            name = attribute(element.find(f"{WORD}basedOn"), "val")
        return replace(found, style=first)


_NUM_ID = f"{WORD}pPr/{WORD}numPr/{WORD}numId"


def _kind(element: etree._Element) -> ParagraphStyle | None:
    """What a style makes of paragraphs by its own name and outline level."""
    title = attribute(element.find(f"{WORD}name"), "val")
    heading = _HEADING_NAME.match(title)
    if heading:
        return ParagraphStyle(heading_level=int(heading[1]))
    if title.casefold() == "title":
        return ParagraphStyle(is_title=True)
    level = _outline_level(element.find(f"{WORD}pPr"))
    if level:
        return ParagraphStyle(heading_level=level)
    item = _LIST_NAME.match(title)
    return ParagraphStyle(list_depth=int(item[1] or 1) - 1) if item else None


def _numbered(style: ParagraphStyle, numbering: etree._Element) -> ParagraphStyle:
    """`style` with the numbering a paragraph, or a style, gives itself."""
    instance = attribute(numbering.find(f"{WORD}numId"), "val") or style.instance
    if instance == _NO_INSTANCE:
        return replace(style, list_depth=None, instance=_NO_INSTANCE, level=None)
    given = attribute(numbering.find(f"{WORD}ilvl"), "val")
    level = int(given) if given in _LEVELS else style.level
    depth: int | None = style.list_depth if level is None and style.list_depth is not None else level or 0
    if style.heading_level or style.is_title:
        depth = None
    return replace(style, list_depth=depth, instance=instance, level=level)


def _outline_level(properties: etree._Element | None) -> int | None:
    """1 to 9, 0 where the paragraph says it is no heading, None where it says nothing."""
    if properties is None:
        return None
    value = attribute(properties.find(f"{WORD}outlineLvl"), "val")
    if not value.isdecimal():
        return None
    return int(value) + 1 if int(value) < _BODY_LEVEL else 0
