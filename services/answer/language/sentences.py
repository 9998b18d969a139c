"""Sentences of a text with exact offsets, in any language, without a model.

First the text falls into blocks at what layout separates for certain: blank lines, list items, table
rows, headings, `Label: value` lines. Then each block falls into sentences at terminators. Line breaks
inside a block are soft: PDF text and hand-wrapped text break lines in mid-sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from services.answer.language.abbreviations import ABBREVIATIONS, MONTHS, SENTENCE_STARTERS


class SentenceKind(Enum):
    """What a sentence is, by its layout."""

    PROSE = "prose"
    LIST_ITEM = "list item"
    TABLE_ROW = "table row"
    HEADING = "heading"
    FIELD = "field"  # a line `Label: value`

    @property
    def stands_alone(self) -> bool:
        """Whether it has a line of its own, so that it does not run on into the next sentence."""
        return self is not SentenceKind.PROSE


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text: `text[start:end]`, without surrounding white space and list markers."""

    start: int
    """First character, code points."""
    end: int
    """One past the last character; greater than `start`."""
    kind: SentenceKind
    """What it is."""
    block: int
    """Number of its block, 0-based; sentences of one paragraph share it."""


_LINE = re.compile(r"[^\n]*\n|[^\n]+")
# The patterns for lines are matched against lines without surrounding white space.
_LIST_MARKER = re.compile(r"(?:[-*+•‣◦▪●–·]|\(?(?:\d{1,3}|[a-z])[.)]|\(?[A-Z]\))[ \t]+(?=\S)")
_HEADING = re.compile(r"#{1,6}[ \t]+(?=\S)")
_RULE = re.compile(r"\|?[ \t]*:?[-=_*+]{2,}[-=_*+:| \t]*$")
_FIELD = re.compile(
    r"[^\W\d_][\w ()/&'’.,-]{0,38}:[ \t]+\S"  # Label: value
    r"|\S+(?: \S+){0,4}(?<![.!?:;,])(?:[ ]{2,}|\t+)\S"  # label, a gap, value
)
_FIGURES = re.compile(r"(?:\s[-−+(]?[€$£]?\d[\d.,]*\)?(?:\s?%)?){2,}$")  # a label and two numbers or more
_ROW_LENGTH = 200  # no table row in running text is longer
_LABEL_LENGTH = 60  # a longer line without a full stop is a wrapped line of prose
_LABEL_WORDS = 8
_LETTERS_DIFFER = 1.15  # lines of one width in print have more or fewer characters, by so much
_SENTENCE_ENDS = ".!?…:;,。！？؟।"
_GAPS = re.compile(r"[^\s.!?:;,](?:[ ]{2,}|\t+)(?=\S)")  # two spaces after a full stop are typewriter style

_TERMINATOR = re.compile(r"(?P<wide>[。！？｡]+)|(?P<narrow>[.!?…؟۔।॥።]+)", re.UNICODE)
# Closing quotes and brackets, and footnotes: [3], [citation needed].
_CLOSERS = re.compile(r"[\"'”’»›）)\]」』】}*_]*(?:\[[^\[\]\n]{1,40}\])*")
_WORD_BEFORE = re.compile(r"[\w.&'’-]*$")
_NEXT_WORD = re.compile(r"[\s\"'“‘«‹（(\[「『¿¡*_]*([\w'’]+)?")


def sentences(text: str) -> list[Sentence]:
    """The sentences of `text` in order; they do not overlap, and no letter or digit falls between two.

    Rule lines (`---`, the second line of a Markdown table) belong to no sentence.
    """
    found: list[Sentence] = []
    for number, (start, end, kind) in enumerate(_blocks(text)):
        if kind is SentenceKind.TABLE_ROW:
            _append(found, text, start, end, kind, number)
            continue
        for piece_start, piece_end in _split(text, start, end):
            _append(found, text, piece_start, piece_end, kind, number)
    return found


def _append(found: list[Sentence], text: str, start: int, end: int, kind: SentenceKind, block: int) -> None:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if start < end:
        found.append(Sentence(start, end, kind, block))


def _blocks(text: str) -> Iterator[tuple[int, int, SentenceKind]]:
    """(start, end, kind) of pieces that no sentence crosses."""
    start, end, kind = 0, 0, SentenceKind.PROSE  # the block being gathered
    lines = list(_LINE.finditer(text))
    for number, match in enumerate(lines):
        line_start, line_end = match.span()
        line = match.group()
        body = line.strip()
        line_kind, body_start = _classify(body)
        body_start += len(line) - len(line.lstrip())
        if line_kind is SentenceKind.PROSE and _is_label(lines, number):
            line_kind = SentenceKind.HEADING
        continues = line_kind is SentenceKind.PROSE and kind in (
            SentenceKind.PROSE,
            SentenceKind.LIST_ITEM,
            SentenceKind.FIELD,
        )
        if continues and end > start and body:
            end = line_end
            continue
        if end > start:
            yield start, end, kind
        start = end = line_end
        kind = SentenceKind.PROSE
        if body and not _RULE.match(body):
            start, kind = line_start + body_start, line_kind
            if kind is SentenceKind.HEADING or kind is SentenceKind.TABLE_ROW:
                yield start, line_end, kind
                start, kind = line_end, SentenceKind.PROSE
    if end > start:
        yield start, end, kind


def _classify(line: str) -> tuple[SentenceKind, int]:
    """The kind of a stripped line, and where its text begins after a marker."""
    heading = _HEADING.match(line)
    if heading:
        return SentenceKind.HEADING, heading.end()
    if _is_table_row(line) or _RULE.match(line):
        return SentenceKind.TABLE_ROW, 0
    marker = _LIST_MARKER.match(line)
    if marker:
        return SentenceKind.LIST_ITEM, marker.end()
    if _FIELD.match(line):
        return SentenceKind.FIELD, 0
    return SentenceKind.PROSE, 0


def _is_label(lines: Sequence[re.Match[str]], number: int) -> bool:
    """Whether an unmarked line is a heading.

    It is when it is short, begins like a sentence but does not end like one, and neither continues the
    line before (see `_runs_on`) nor is continued by the next.
    """
    line = lines[number].group().strip()
    if len(line) > _LABEL_LENGTH or not line[:1].isupper() or line[-1] in _SENTENCE_ENDS:
        return False
    before = lines[number - 1].group().strip() if number > 0 else ""
    after = lines[number + 1].group().strip() if number + 1 < len(lines) else ""
    if (
        before
        and before[-1] not in _SENTENCE_ENDS
        and not _is_table_row(before)
        and _runs_on(before, line, after)
    ):
        return False
    if not before and not after:
        return len(line.split()) <= _LABEL_WORDS
    return bool(after) and (after[0].isupper() or after[0].isdigit()) and len(line.split()) <= _LABEL_WORDS


def _runs_on(before: str, line: str, after: str) -> bool:
    """Whether `before` was wrapped: the first word of `line` would not have found room in it any more.

    The width is that of `after`, which may be a short last line: then it counts as wrapped.
    """
    first = line.split(maxsplit=1)[0]
    return (len(before) + 1 + len(first)) * _LETTERS_DIFFER > len(after)


def _is_table_row(stripped: str) -> bool:
    if stripped.startswith("|") and stripped.count("|") >= 2:
        return True
    if stripped.count(" | ") >= 1 or "\t" in stripped:
        return True
    if len(stripped) <= _ROW_LENGTH and _FIGURES.search(stripped):
        return True
    return len(_GAPS.findall(stripped)) >= 2  # columns set apart by spaces, as in text from PDF


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts text[start:end], one block, after each terminator that ends a sentence."""
    begin = start
    for match in _TERMINATOR.finditer(text, start, end):
        if match.start() < begin:
            continue
        closers = _CLOSERS.match(text, match.end(), end)
        after = closers.end() if closers else match.end()
        if after >= end or _ends_sentence(text, begin, match, after, end):
            yield begin, after
            begin = after
    if begin < end:
        yield begin, end


def _ends_sentence(text: str, begin: int, match: re.Match[str], after: int, end: int) -> bool:
    if match.lastgroup == "wide":
        return True
    if not text[after].isspace():
        return False
    following = _NEXT_WORD.match(text, after, end)
    next_word = following.group(1) if following else None
    if next_word is None:
        return True
    if next_word[0].islower():
        return False  # "Stop!" he said
    if match.group() != ".":
        return True
    return not _is_abbreviation(text, begin, match.start(), next_word)


def _is_abbreviation(text: str, begin: int, dot: int, next_word: str) -> bool:
    """Whether the full stop at `dot` belongs to the word before it rather than to the sentence."""
    before = _WORD_BEFORE.search(text, max(begin, dot - 24), dot)
    word = before.group().lstrip("'’-&") if before else ""
    if not word:
        return False
    if word.isdigit():
        # An ordinal: "am 3. Oktober". At the start of a sentence: the number of a list item.
        return len(word) <= 2 and (next_word.lower() in MONTHS or dot - len(word) == begin)
    bare = word.lower()
    if len(word) == 1 and word.isalpha():
        return word.isupper() and next_word not in SENTENCE_STARTERS  # an initial
    if "." in word:  # U.S., e.g., z.B., Ph.D
        if bare.replace(".", "") in ABBREVIATIONS:
            return True
        return all(len(part) <= 2 for part in word.split(".")) and next_word not in SENTENCE_STARTERS
    kind = ABBREVIATIONS.get(bare)
    if kind is None:
        return False
    if kind == "before number":
        return next_word[0].isdigit()
    return kind == "never last" or next_word not in SENTENCE_STARTERS
