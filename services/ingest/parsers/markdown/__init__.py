"""Markdown: the source lines are the text, its headings make the sections."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.ingest.model import DocumentType, ParsedDocument, Section, Span
from services.ingest.parsers.encoding import decode
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS, HeadingTrail
from services.ingest.parsers.markdown.tables import rewritten_tables
from services.ingest.text.normalisation import clean, one_line

# YAML between lines of three dashes, or TOML between three plus signs, at the very beginning.
_FRONT_MATTER = re.compile(r"(?P<fence>---|\+\+\+)\n(?P<matter>(?:.*\n)*?)(?P=fence)[ \t]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(
    r"title[ \t]*[:=][ \t]*(?P<quote>[\"']?)(?P<title>.+?)(?P=quote)[ \t]*$", re.MULTILINE
)

# Blocks only: the inline text is kept as it stands in the source, and reading it is most of the time.
_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_INLINE = MarkdownIt("commonmark")

# A text without a line like these has no headings, tables or fenced code, and need not be read at all.
_MAYBE_STRUCTURE = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t]|$)|=+[ \t]*$|```|~~~|[|:-][-:| \t]*$)", re.MULTILINE)


def parse(data: bytes) -> ParsedDocument:
    """The normalised source without its front matter; a section a heading (`#` to `######` and Setext).

    Tables are rewritten row by row, each value after its column's name, so that no chunk holds a row
    without its header. Headings and tables inside quotations and lists are part of their text, not of the
    structure. Fenced code stays unbroken.
    Raises ParseError UNKNOWN_TEXT_ENCODING.
    """
    text = clean(decode(data))
    title = ""
    front = _FRONT_MATTER.match(text)
    if front is not None:
        named = _FRONT_TITLE.search(front["matter"])
        title = named["title"] if named else ""
        text = text[front.end() :].lstrip("\n")
    parsed = _structured(text)
    return replace(parsed, title=one_line(title or parsed.title, MAX_TITLE_CHARACTERS))


def _structured(text: str) -> ParsedDocument:
    """The document, its title the first heading of level 1 (empty when there is none)."""
    if _MAYBE_STRUCTURE.search(text) is None:
        return ParsedDocument(DocumentType.MARKDOWN, text)
    tokens = _BLOCKS.parse(text)
    source = text.split("\n")
    lines: list[str | None] = list(source)
    for first, last, rows in rewritten_tables(tokens, source):
        lines[first:last] = [_apart(rows, lines[first - 1] if first else "", lines[last : last + 1])] + [
            None
        ] * (last - first - 1)
    # A line that is gone begins where the next one does.
    line_starts = [0, *accumulate(0 if line is None else len(line) + 1 for line in lines)]
    text = "\n".join(line for line in lines if line is not None)
    trail = HeadingTrail()
    sections: list[Section] = []
    code: list[Span] = []
    first_heading = ""
    for token, following in pairwise(tokens):
        if token.level != 0 or token.map is None:
            continue
        start, end = line_starts[token.map[0]], line_starts[token.map[1]]
        if token.type == "fence":
            code.append(Span(start, min(end, len(text))))
        elif token.type == "heading_open":
            level, heading = int(token.tag[1:]), _plain(following.content)
            sections.append(Section(start, trail.enter(level, heading)))
            if level == 1 and not first_heading:
                first_heading = heading
    return ParsedDocument(DocumentType.MARKDOWN, text, title=first_heading, sections=sections, unbroken=code)


def _apart(rows: str, before: str | None, after: list[str | None]) -> str:
    """A table's rows as paragraphs of their own: blank lines set them apart from their neighbours."""
    return f"{'' if not before else chr(10)}{rows}{chr(10) if any(after) else ''}"


def _plain(source: str) -> str:
    """A heading's words without its markup."""
    parts: list[str] = []
    waiting: list[Token] = _INLINE.parseInline(source)[::-1]
    while waiting:
        token = waiting.pop()
        if token.children:
            waiting.extend(token.children[::-1])
        elif token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)
