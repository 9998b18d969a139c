"""What a Word paragraph is by its style: a heading, the title, a list item, or plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docx.document import Document
from lxml import etree

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

# Word stores the names of its own styles in English, whatever language it speaks to people.
_HEADING_NAME = re.compile(r"heading ([1-9])\Z", re.IGNORECASE)
_LIST_NAME = re.compile(r"list (?:bullet|number)(?: ([2-5]))?\Z", re.IGNORECASE)
_MAX_BASES = 16
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


_PLAIN = ParagraphStyle()


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

    def of(self, paragraph: etree._Element) -> ParagraphStyle:
        """What `paragraph` is: its own outline level and numbering go before those of its style."""
        properties = paragraph.find(f"{WORD}pPr")
        if properties is None:
            return _PLAIN
        name = attribute(properties.find(f"{WORD}pStyle"), "val")
        style = self._style(name) if name else _PLAIN
        level = _outline_level(properties)
        if level is not None:
            style = ParagraphStyle(level, style.is_title, style.list_depth)
        numbering = properties.find(f"{WORD}numPr")
        if numbering is not None and not style.heading_level:
            return ParagraphStyle(0, style.is_title, _list_depth(numbering))
        return style

    def _style(self, name: str) -> ParagraphStyle:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._work_out(name)
        return known

    def _work_out(self, name: str) -> ParagraphStyle:
        # Styles build on others; the chain is bounded, for it may be a ring.
        for _ in range(_MAX_BASES):
            element = self._elements.get(name)
            if element is None:
                break
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
            if item:
                return ParagraphStyle(list_depth=int(item[1] or 1) - 1)
            numbering = element.find(f"{WORD}pPr/{WORD}numPr")
            if numbering is not None:
                return ParagraphStyle(list_depth=_list_depth(numbering))
            name = attribute(element.find(f"{WORD}basedOn"), "val")
        return _PLAIN


def _outline_level(properties: etree._Element | None) -> int | None:
    """1 to 9, 0 where the paragraph says it is no heading, None where it says nothing."""
    if properties is None:
        return None
    value = attribute(properties.find(f"{WORD}outlineLvl"), "val")
    if not value.isdecimal():
        return None
    return int(value) + 1 if int(value) < _BODY_LEVEL else 0


def _list_depth(numbering: etree._Element) -> int | None:
    """None for number 0, which takes a paragraph out of the list of its style."""
    if attribute(numbering.find(f"{WORD}numId"), "val") == "0":
        return None
    level = attribute(numbering.find(f"{WORD}ilvl"), "val")
    return int(level) if level.isdecimal() else 0
