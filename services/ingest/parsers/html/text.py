"""Turns a tree of HTML elements into blocks of text: paragraphs, headings, list items, table rows.

Reads two dialects: HTML itself, and the element names of the tree that trafilatura makes of an article.
Works without recursion, so that no depth of nesting can break it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from lxml import etree

from services.ingest.parsers.html.table import Cell, Row, Table, cell_of

# Holds no text of the page's own.
_SKIPPED = frozenset({
    "script", "style", "template", "noscript", "iframe", "object", "embed", "svg", "math", "canvas", "audio",
    "video", "map", "button", "input", "select", "textarea", "option", "datalist", "dialog", "menu", "nav",
    "footer",
})  # fmt: skip
_SKIPPED_ROLES = frozenset({
    "navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar",
})  # fmt: skip

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset({
    "html", "body", "main", "article", "section", "div", "p", "blockquote", "q", "quote", "figure",
    "figcaption", "caption", "details", "summary", "address", "fieldset", "legend", "form", "center",
    "header", "aside", "hgroup", "dl", "dt", "dd", "ul", "ol", "list", "table", "thead", "tbody", "tfoot",
    "hr", "comments",
})  # fmt: skip
_ITEMS = frozenset({"li", "item"})
_ROWS = frozenset({"tr", "row"})
_CELLS = frozenset({"td", "th", "cell"})
_BREAKS = frozenset({"br", "lb"})
_BREAK = "\v"

# A table whose cells hold these arranges the page; it is no table of data.
_LAYOUT = etree.XPath(".//table | .//h1 | .//h2 | .//h3 | .//h4 | .//p[2] | .//ul | .//ol | .//form")


class BlockKind(Enum):
    """What a block is, which decides how far it stands from the one before."""

    PARAGRAPH = "paragraph"
    HEADING = "heading"
    ITEM = "item"
    ROW = "row"
    """A table row that means little without its neighbours."""
    RECORD = "record"
    """A table row that names its columns."""
    CODE = "code"
    """Preformatted lines."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of text that stands on lines of its own; never blank."""

    kind: BlockKind
    text: str
    level: int = 0
    """1 to 6 for headings, 1 outermost; else 0."""
    linked_characters: int = 0
    """Visible characters inside links."""


def blocks(root: etree._Element) -> Iterator[Block]:
    """The text below `root`, in the order of the page.

    White space is collapsed as a browser does it, except in preformatted text. The cells of a row are
    joined by " | ", each after its column's name where the table has a header. Navigation, forms, scripts,
    and what is marked as hidden are left out.
    """
    return _Reader().read(root)


class _Reader:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._linked = 0
        self._preformatted = 0
        self._links = 0
        self._row: etree._Element | None = None
        self._cells: list[Cell] = []
        # Rows stand in tables; trafilatura's, and those of broken pages, may stand alone.
        self._tables = [Table()]
        self._kind = BlockKind.PARAGRAPH
        self._level = 0
        self._marker = ""
        """The bullet or number of the item that began and has no text yet."""
        self._numbers: dict[etree._Element, int] = {}
        """Ordered lists and the number of their last item."""

    def read(self, root: etree._Element) -> Iterator[Block]:
        walker = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
        skipped: etree._Element | None = None
        for event, element in walker:
            if event in ("comment", "pi"):
                self._add(element.tail)
            elif event == "start":
                if skipped is None and element is not root and _is_skipped(element):
                    skipped = element
                    walker.skip_subtree()
                elif skipped is None:
                    yield from self._enter(element)
            elif skipped is None:
                yield from self._leave(element)
                if element is not root:
                    self._add(element.tail)
            elif element is skipped:
                skipped = None
                self._add(element.tail)
        yield from self._flush()
        yield from self._rows(self._tables[0].end())

    def _enter(self, element: etree._Element) -> Iterator[Block]:
        tag = element.tag
        if tag in _BREAKS:
            self._parts.append(_BREAK)
        elif self._row is not None:
            self._enter_in_row(tag)
        elif tag in _ROWS:
            yield from self._flush()
            if not _LAYOUT(element):
                self._row = element
        elif tag == "table":
            yield from self._flush()
            self._tables.append(Table())
        elif tag in _HEADINGS or tag == "head":
            yield from self._flush()
            self._kind = BlockKind.HEADING
            self._level = _HEADINGS.get(str(element.get("rend", tag)), 2) if tag == "head" else _HEADINGS[tag]
        elif tag in _ITEMS:
            yield from self._flush()
            self._marker = self._item_marker(element)
        elif tag in ("pre", "code") and (tag == "pre" or _is_code_block(element)):
            yield from self._flush()
            self._preformatted += 1
        elif tag in _BLOCKS or tag in _CELLS:
            yield from self._flush()
        if tag in ("a", "ref"):
            self._links += 1
        self._add(element.text)

    def _enter_in_row(self, tag: str) -> None:
        if tag in _CELLS:
            self._end_cell(None)
        elif tag in _BLOCKS or tag in _ITEMS:
            self._parts.append(" ")

    def _leave(self, element: etree._Element) -> Iterator[Block]:
        tag = element.tag
        if tag in ("a", "ref"):
            self._links = max(0, self._links - 1)
        if self._row is not None:
            if element is self._row:
                self._end_cell(None)
                self._row = None
                cells, self._cells = self._cells, []
                yield from self._rows(self._tables[-1].row(cells))
            elif tag in _CELLS:
                self._end_cell(element)
            elif tag in _BLOCKS or tag in _ITEMS:
                self._parts.append(" ")
        elif tag in ("pre", "code") and (tag == "pre" or _is_code_block(element)):
            yield from self._flush()
            self._preformatted -= 1
        elif tag == "table":
            yield from self._flush()
            if len(self._tables) > 1:
                yield from self._rows(self._tables.pop().end())
        elif tag in _HEADINGS or tag == "head" or tag in _BLOCKS or tag in _ROWS or tag in _CELLS:
            yield from self._flush()
        elif tag in _ITEMS:
            yield from self._flush()
            self._marker = ""

    def _item_marker(self, item: etree._Element) -> str:
        """`3.` in an ordered list, else a dash."""
        ordered = item.getparent()
        if ordered is None or not (ordered.tag == "ol" or ordered.get("rend") == "ol"):
            return "-"
        last = self._numbers.get(ordered, _integer(ordered.get("start"), 1) - 1)
        number = self._numbers[ordered] = _integer(item.get("value"), last + 1)
        return f"{number}."

    def _add(self, text: str | None) -> None:
        if text:
            self._parts.append(text)
            if self._links:
                self._linked += len("".join(text.split()))

    def _end_cell(self, element: etree._Element | None) -> None:
        """Ends a cell; what broken pages put between cells is a cell as well."""
        text = "".join(self._parts)
        self._parts.clear()
        if element is not None or not (text == "" or text.isspace()):
            self._cells.append(cell_of(element, text))

    def _rows(self, rows: Iterable[Row]) -> Iterator[Block]:
        for row in rows:
            kind = BlockKind.RECORD if row.names_columns else BlockKind.ROW
            linked, self._linked = self._linked, 0
            yield Block(kind, row.text, 0, linked)

    def _flush(self) -> Iterator[Block]:
        """Ends the block that was being collected."""
        kind: BlockKind
        text = "".join(self._parts)
        self._parts.clear()
        if self._preformatted:
            text = text.replace(_BREAK, "\n").strip("\n")
            text = "" if text.isspace() else text
            kind = BlockKind.CODE if self._kind is BlockKind.PARAGRAPH else self._kind
        else:
            lines = (" ".join(line.split()) for line in text.split(_BREAK))
            text = "\n".join(line for line in lines if line)
            kind = self._kind
        level, linked = self._level, self._linked
        self._kind, self._level, self._linked = BlockKind.PARAGRAPH, 0, 0
        if not text:
            return
        if self._marker and kind in (BlockKind.PARAGRAPH, BlockKind.CODE):
            kind, text = BlockKind.ITEM, f"{self._marker} {text}"
            self._marker = ""
        yield Block(kind, text, level, linked)


def _integer(value: str | None, default: int) -> int:
    digits = (value or "").strip()
    return int(digits) if len(digits) < 7 and digits.isascii() and digits.isdecimal() else default


def _is_skipped(element: etree._Element) -> bool:
    if element.tag in _SKIPPED or element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    return element.get("role") in _SKIPPED_ROLES


def _is_code_block(element: etree._Element) -> bool:
    """Trafilatura writes a preformatted block as `code` of several lines."""
    return bool(element.text) and "\n" in (element.text or "").strip()
