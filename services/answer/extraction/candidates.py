"""Sentences that may answer, with the context that tells what they are about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.answer.extraction.ranges import ranges
from services.answer.language.sentences import Sentence, SentenceKind, sentences
from services.answer.language.words import Word, words

_NOTHING: frozenset[str] = frozenset()
_MARKUP = re.compile(r"""(?:<!--.*?-->|</?[A-Za-z][^"<>]*(?:"[^"]*"[^"<>]*)*>|\s)+""", re.DOTALL)
_MOST_CHARACTERS = 1000  # what is longer is no sentence but a list or a table whose ends were not seen
_COLUMN = re.compile(r"(?:^| \| )([^:|]+):")  # of a row whose values come with their columns' names
_LEADING_ON = ("?", "？", "؟", ":", "：")  # ends of sentences that the next one answers or completes


@dataclass(frozen=True, slots=True)
class SourceText:
    """A passage as the search for an answer sees it."""

    text: str
    """The passage's exact text."""
    score: float
    """Its relevance, 0 to 1."""
    headings: str = ""
    """The headings it stands under, in one line."""
    title: str = ""
    """The document's title and file name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of one of the passages."""

    source: int
    """Index of its passage."""
    position: int
    """Index among its passage's sentences."""
    sentence: Sentence
    """Where it stands in the passage's text."""
    text: str
    """The sentence itself."""
    words: tuple[Word, ...]
    """Its words."""
    keys: frozenset[str]
    """Their keys, function words included, and those of what it is read with: for a table row its header row
    ("Anchor day: Thursday"), for the first sentence below a heading that heading."""
    lead_in: frozenset[str]
    """Keys of what comes before and says what it is about: the sentence before (for a table row the line
    before the table, for a list item or field the line before the list) and the headings above."""
    follow_up: frozenset[str]
    """Keys of the sentence after it."""
    opening: frozenset[str]
    """Keys of the passage's first sentence and of the document's title."""
    header: Sentence | None
    """For a table row: the header row."""

    def only_repeats(self, asked: frozenset[str]) -> bool:
        """Whether all its content words are among those asked."""
        return all(word.is_stop or word.key in asked for word in self.words)

    def holds(self, asked: frozenset[str]) -> frozenset[str]:
        """Those of `asked` that it says or states a range around; for a field what it stands under, too."""
        said = self.keys | self.lead_in if self.sentence.kind is SentenceKind.FIELD else self.keys
        return frozenset(key for key in asked if key in said or self.range_holds(key))

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a row whose values come with their names, those, alike in one table; of a field its label."""
        is_labelled = self.sentence.kind in (SentenceKind.TABLE_ROW, SentenceKind.FIELD)
        return tuple(_COLUMN.findall(self.text)) if is_labelled else ()

    def range_holds(self, key: str) -> bool:
        """Whether `key` is a plain number within a range the sentence states ("10 to 14", "15 or more")."""
        return key.isdecimal() and any(low <= int(key) <= high for low, high in ranges(self.text))


def candidates(sources: Sequence[SourceText]) -> list[Candidate]:
    """All sentences that could be an answer, passage by passage.

    Headings, header rows, questions (of an FAQ) and lines that end in a colon are context for what
    follows, never answers; nor is markup without text, or what is far too long to be read as one.
    A sentence that stands in several passages (overlapping chunks) counts once, where it comes first.
    """
    found: list[Candidate] = []
    seen: set[str] = set()
    for index, source in enumerate(sources):
        for candidate in _of_source(index, source):
            spelling = " ".join(candidate.text.split())
            if spelling not in seen:
                seen.add(spelling)
                found.append(candidate)
    return found


def keys_of(found: Sequence[Candidate]) -> frozenset[str]:
    """Keys that stand in the candidates, their headings or their passages' first sentences and titles."""
    return frozenset().union(*(item.keys | item.opening | item.lead_in for item in found))


def _of_source(index: int, source: SourceText) -> list[Candidate]:
    parts = sentences(source.text)
    texts = [source.text[part.start : part.end] for part in parts]
    part_words = [tuple(words(text)) for text in texts]
    keys = [frozenset(word.key for word in found) for found in part_words]
    opening = _keys(source.title) | (keys[0] if keys else _NOTHING)
    heading = outer = _keys(source.headings)
    headers = [_header(parts, source.text, at) for at in range(len(parts))]
    result = []
    for at, part in enumerate(parts):
        header = headers[at]
        if part.kind is SentenceKind.HEADING:
            heading = outer | keys[at]
        if not _may_answer(part, texts[at], part_words[at]) or header == at:
            continue
        result.append(
            Candidate(
                source=index,
                position=at,
                sentence=part,
                text=texts[at],
                words=part_words[at],
                keys=keys[at].union(*(keys[above] for above in _read_with(parts, at, header))),
                lead_in=heading | _lead_in(parts, keys, at),
                follow_up=keys[at + 1] if at + 1 < len(parts) else _NOTHING,
                opening=opening,
                header=parts[header] if header is not None else None,
            )
        )
    return result


def _read_with(parts: Sequence[Sentence], at: int, header: int | None) -> Iterator[int]:
    """Indices of what says what the sentence `at` is about as much as its own words do."""
    if header is not None:
        yield header
    if at and parts[at - 1].kind is SentenceKind.HEADING and parts[at].kind is not SentenceKind.TABLE_ROW:
        yield at - 1


def _keys(text: str) -> frozenset[str]:
    return frozenset(word.key for word in words(text))


def _may_answer(part: Sentence, text: str, found: Sequence[Word]) -> bool:
    return (
        part.kind is not SentenceKind.HEADING
        and bool(found)
        and len(text) <= _MOST_CHARACTERS
        and _MARKUP.fullmatch(text) is None
        and not text.rstrip("\"'”’)").endswith(_LEADING_ON)
    )


def _header(parts: Sequence[Sentence], text: str, at: int) -> int | None:
    """Index of the header row of the table that the row `at` belongs to; its own for the header row.

    Only a rule line under it (`|---|`) makes a first row a header row for certain.
    """
    if parts[at].kind is not SentenceKind.TABLE_ROW:
        return None
    first = at
    while first > 0 and _adjacent_rows(parts, text, first - 1):
        first -= 1
    if first + 1 >= len(parts):
        return None
    between = text[parts[first].end : parts[first + 1].start]
    return first if "--" in between or "==" in between else None


def _adjacent_rows(parts: Sequence[Sentence], text: str, at: int) -> bool:
    """Whether the sentences `at` and `at + 1` are rows of one table."""
    if parts[at].kind is not SentenceKind.TABLE_ROW:
        return False
    return "\n\n" not in text[parts[at].end : parts[at + 1].start]


def _lead_in(parts: Sequence[Sentence], keys: Sequence[frozenset[str]], at: int) -> frozenset[str]:
    if at == 0:
        return _NOTHING
    kind = parts[at].kind
    if kind.stands_alone and parts[at - 1].block != parts[at].block:
        for before in range(at - 1, -1, -1):
            if parts[before].kind is not kind:
                return keys[before]
    return keys[at - 1]
