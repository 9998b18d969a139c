"""HTML: the main text of a page with its headings, tables row by row; navigation and scripts left out."""

from __future__ import annotations

import re
from dataclasses import replace

import lxml.html
from lxml import etree
from trafilatura import bare_extraction

from services.ingest.model import DocumentType, ParsedDocument, Section, Span
from services.ingest.parsers.encoding import decode
from services.ingest.parsers.errors import ParseError, corrupt, limit_exceeded
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS, HeadingTrail
from services.ingest.parsers.html.text import Block, BlockKind, blocks
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.text.normalisation import clean, one_line

_DECLARED_WITHIN = 2048
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)

# Measured on 181 hand-marked articles of the article extraction benchmark and on documentation pages:
# these rules keep the extractor's F1 there (.952 against .962) and lose nothing on plain documents.
_FEW_LINKS = 0.05
"""Share of linked characters below which a page is taken for a document of its own: all of it is kept."""
_NEARLY_ALL = 0.9
"""Share of the page from which on the extractor's choice is replaced by the page: it left out details."""
_NEARLY_NOTHING = 0.05
"""Share of the page below which the extractor is taken to have failed."""

_LIBRARY_DEPTH = 2048
"""Elements inside each other that libxml2 reads."""

_CLOSE = frozenset({BlockKind.ITEM, BlockKind.ROW})


def parse(data: bytes, limits: ParseLimits = DEFAULT_LIMITS, *, whole: bool = False) -> ParsedDocument:
    """The main text of a page, a section a heading; the title is the first top heading, else `<title>`.

    A page with few links is kept whole (without navigation, forms and footers); of others an extractor
    picks the article, unless `whole` says that there is nothing else on the page (a book's chapter). No
    entity, stylesheet, frame or other resource outside of `data` is opened.
    Raises ParseError: UNKNOWN_TEXT_ENCODING, DOCUMENT_CORRUPT, PARSE_LIMIT_EXCEEDED.
    """
    source = decode(data, _declared_encoding(data)).encode("utf-8", "replace")
    root = _tree(source)
    _check_nesting(root, limits.max_nesting)
    page = list(blocks(_main(root)))
    assembled = _assemble(page if whole else _article(source, page))
    title = assembled.title or root.findtext(".//title") or ""
    return replace(assembled, title=one_line(title, MAX_TITLE_CHARACTERS))


def _declared_encoding(data: bytes) -> str:
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    return found[1].decode("ascii") if found else ""


def _tree(source: bytes) -> lxml.html.HtmlElement:
    # `huge_tree` raises the depth at which libxml2 stops reading from 256 to 2,048 elements.
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True)
    try:
        root: lxml.html.HtmlElement = lxml.html.document_fromstring(source, parser=parser)
    except etree.ParserError:
        # Nothing but blanks and comments.
        return lxml.html.document_fromstring("<html><body></body></html>")
    except etree.LxmlError as error:
        raise corrupt("HTML") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        # The rest of the page was not read: refusing it is better than losing text in silence.
        raise _too_deep(_LIBRARY_DEPTH)
    return root


def _check_nesting(root: lxml.html.HtmlElement, limit: int) -> None:
    """Raises ParseError PARSE_LIMIT_EXCEEDED (`nesting`) for a tree deeper than `limit`."""
    if limit >= _LIBRARY_DEPTH:
        return
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > limit:
            raise _too_deep(limit)


def _too_deep(limit: int) -> ParseError:
    return limit_exceeded("nesting", limit, f"Its elements are nested more than {limit} deep.")


def _main(root: lxml.html.HtmlElement) -> lxml.html.HtmlElement:
    """The element that says it holds the main text, else the body."""
    marked = root.xpath("//main | //*[@role='main']")
    if len(marked) == 1:
        return marked[0]
    body = root.find("body")
    return root if body is None else body


def _article(source: bytes, page: list[Block]) -> list[Block]:
    """What to keep of a page: all of its blocks, or those the extractor picks."""
    size = sum(len(block.text) for block in page)
    linked = sum(block.linked_characters for block in page)
    if linked <= size * _FEW_LINKS:
        return page
    try:
        # A tree of its own: the extractor takes it apart.
        found = bare_extraction(
            _tree(source), fast=True, include_comments=False, include_tables=True, with_metadata=False
        )
    except (RecursionError, etree.LxmlError, ValueError, TypeError, AttributeError):
        # It fails on odd trees in many ways; the page itself is the answer then.
        found = None
    body = getattr(found, "body", None)
    picked = [] if body is None else list(blocks(body))
    share = sum(len(block.text) for block in picked) / max(1, size)
    return picked if _NEARLY_NOTHING <= share < _NEARLY_ALL else page


def _assemble(kept: list[Block]) -> ParsedDocument:
    """The document, its title the first heading of level 1 (empty when there is none)."""
    parts: list[str] = []
    sections: list[Section] = []
    code: list[Span] = []
    trail = HeadingTrail()
    length = 0
    first_heading = ""
    previous: BlockKind | None = None
    for block in kept:
        text = clean(block.text)
        if not text or text.isspace():
            continue
        if parts:
            gap = "\n" if block.kind is previous and block.kind in _CLOSE else "\n\n"
            parts.append(gap)
            length += len(gap)
        if block.kind is BlockKind.HEADING:
            sections.append(Section(length, trail.enter(block.level, text)))
            if block.level == 1 and not first_heading:
                first_heading = text
        elif block.kind is BlockKind.CODE:
            code.append(Span(length, length + len(text)))
        parts.append(text)
        length += len(text)
        previous = block.kind
    return ParsedDocument(
        DocumentType.HTML, "".join(parts), title=first_heading, sections=sections, unbroken=code
    )
