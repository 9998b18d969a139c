"""Markdown: the source lines are the text, its headings make the sections."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.ingest.document import DocumentType, ParsedDocument, Section
from services.ingest.encoding import decode
from services.ingest.normalisation import clean, one_line
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS, HeadingTrail

# YAML between lines of three dashes, or TOML between three plus signs, at the very beginning.
_FRONT_MATTER = re.compile(r"(?P<fence>---|\+\+\+)\n(?P<matter>(?:.*\n)*?)(?P=fence)[ \t]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(
    r"title[ \t]*[:=][ \t]*(?P<quote>[\"']?)(?P<title>.+?)(?P=quote)[ \t]*$", re.MULTILINE
)

# Blocks only: the inline text is kept as it stands in the source, and reading it is most of the time.
_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_INLINE = MarkdownIt("commonmark")

# A text without a line like these has no headings, and need not be read at all.
_MAYBE_HEADING = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t]|$)|=+[ \t]*$|-+[ \t]*$)", re.MULTILINE)


def parse(data: bytes) -> ParsedDocument:
    """The normalised source without its front matter; a section a heading (`#` to `######` and Setext).

    Headings inside quotations and lists are part of their text, not of the structure.
    Raises ParseError UNKNOWN_TEXT_ENCODING.
    """
    text = clean(decode(data))
    title = ""
    front = _FRONT_MATTER.match(text)
    if front is not None:
        named = _FRONT_TITLE.search(front["matter"])
        title = named["title"] if named else ""
        text = text[front.end() :].lstrip("\n")
    sections, first_heading = _sections(text)
    return ParsedDocument(
        DocumentType.MARKDOWN,
        text,
        title=one_line(title or first_heading, MAX_TITLE_CHARACTERS),
        sections=sections,
    )


def _sections(text: str) -> tuple[list[Section], str]:
    """The sections, and the first heading of level 1 (empty when there is none)."""
    if _MAYBE_HEADING.search(text) is None:
        return [], ""
    line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    trail = HeadingTrail()
    sections: list[Section] = []
    first_heading = ""
    tokens = _BLOCKS.parse(text)
    for token, content in pairwise(tokens):
        if token.type != "heading_open" or token.level != 0 or token.map is None:
            continue
        level, heading = int(token.tag[1:]), _plain(content.content)
        sections.append(Section(line_starts[token.map[0]], trail.enter(level, heading)))
        if level == 1 and not first_heading:
            first_heading = heading
    return sections, first_heading


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
