"""Takes citation markers out of a text that arrives in pieces, without ever showing half of one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from services.answer.citations import grammar
from services.answer.citations.code import CodeState

MAX_HELD_CHARACTERS = 200
"""Most characters kept back while it is open whether they begin a marker; what is longer is text."""

_MAX_BLANKS = 100  # blanks kept of one run; more serve no reader and would have to be held back
_MAX_DEPTH = 3  # brackets within brackets: [1, [2]], [Source: report [final].pdf]
_TAIL = 64  # characters of clean text kept to look back at
_PLAIN = re.compile(rf"[^\s{re.escape(grammar.OPENING)}]+")
_IDENTIFIER = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<indices>(?:\[[0-9]+\])*)$")
_CAMEL_CASE = re.compile(r"[a-z][A-Z]")
_CLOSES = frozenset(".,;:!?…)]}'\"”’»%。，；：！？、）】」』")
_WIDE_START = "\u0e00"  # from Thai on, scripts mostly write no spaces; an inserted one would be wrong


@dataclass(frozen=True, slots=True)
class VisibleText:
    """The next piece of the clean answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a passage."""

    index: int
    """The passage, 0-based."""
    start: int
    """First character in its text."""
    end: int
    """One past the last."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A citation marker: it has numbers, a file name or a piece, never two of them."""

    raw: str
    """As the model wrote it, brackets included; at most MAX_HELD_CHARACTERS."""
    at: int
    """Where it stood: code points of clean text before it."""
    source_numbers: tuple[int, ...] = ()
    """The numbers it names, as written: they may be 0 or larger than the number of passages."""
    filename: str = ""
    """What follows `Source:`, which may name several files and a page."""
    piece: Piece | None = None
    """Where the provider itself says the text before rests; then it has neither numbers nor file name."""


MarkerEvent = VisibleText | Marker


class MarkerParser:
    """Splits a stream of text into clean text and markers.

    A marker vanishes together with the blanks before it; where two words would then touch, a blank
    stays. Blanks at the very beginning and end vanish too, so that the pieces joined are the answer and
    offsets into it never move. What comes out does not depend on how the text was cut into pieces.

    Text stays text: other brackets (`[note]`, `[ ]`), Markdown links (`[1](url)`), numbers in code, and
    an index behind an identifier (`array[0]`, `a[1]`, `row_count[2]`). Directly behind an ordinary word
    (`5 million[1]`) a number from 1 up is a marker, because models write them so.

    A beginning that the end of the text leaves unfinished (`[Source: rep`) is dropped, not shown.
    """

    def __init__(self) -> None:
        self._events: list[MarkerEvent] = []
        self._pending: list[str] = []  # clean text not yet made an event
        self._length = 0
        self._tail = ""
        self._code = CodeState()
        self._blanks = ""
        self._swallowed: str | None = None  # blanks before the markers that just vanished
        self._bracket = ""
        self._depth = 0
        self._numbers: tuple[int, ...] = ()  # of a closed bracket whose next character decides
        self._numbers_allowed = True

    @property
    def held_characters(self) -> int:
        """How many characters are kept back at present."""
        return len(self._bracket) + len(self._blanks)

    def feed(self, delta: str) -> list[MarkerEvent]:
        """Takes the next piece; returns what is decided by now."""
        position = 0
        while position < len(delta):
            if not self._bracket and (plain := _PLAIN.match(delta, position)):
                self._show(plain.group())
                position = plain.end()
                continue
            self._step(delta[position])
            position += 1
        return self._take_events()

    def mark(self, piece: Piece | None, raw: str) -> list[MarkerEvent]:
        """Puts a marker that is not in the text at this place; None: one that names nothing known.

        What was held back before it is decided: an open bracket is text.
        """
        todo: list[str] = []
        while self._bracket and not self._numbers:
            self._give_up_bracket(todo)
            while todo and not self._bracket:
                self._step(todo.pop())
        if self._numbers:
            self._accept(Marker(self._bracket, self._length, self._numbers))
        self._accept(Marker(raw[:MAX_HELD_CHARACTERS], self._length, piece=piece))
        return self._take_events()

    def finish(self) -> list[MarkerEvent]:
        """Ends the text; returns the rest."""
        if self._numbers and self._is_index(following=""):
            self._show(self._bracket)
        elif self._numbers:
            self._accept(Marker(self._bracket, self._length, self._numbers))
        self._bracket = self._blanks = ""
        self._numbers = ()
        return self._take_events()

    def _step(self, character: str) -> None:
        """Takes one character, and those that come back when a bracket turns out to be text."""
        todo = [character]
        while todo:
            character = todo.pop()
            if self._numbers:
                if self._is_index(character):
                    todo.append(character)
                    self._give_up_bracket(todo)
                    continue
                self._accept(Marker(self._bracket, self._length, self._numbers))
            if self._bracket:
                self._extend_bracket(character, todo)
            elif character in grammar.OPENING:
                self._open_bracket(character)
            elif character.isspace():
                if len(self._blanks) < _MAX_BLANKS:
                    self._blanks += character
            else:
                self._show(character)

    def _open_bracket(self, character: str) -> None:
        self._bracket, self._depth = character, 1
        # Code keeps its numbers; what is held back in blanks is not code.
        self._numbers_allowed = not self._code.inside

    def _extend_bracket(self, character: str, todo: list[str]) -> None:
        is_too_deep = character in grammar.OPENING and self._depth == _MAX_DEPTH
        if (character == "\n" or is_too_deep) and grammar.names_source(self._bracket[1:]):
            todo.append(character)
            self._close_bracket(self._bracket[1:], todo)  # `[Source: report.pdf` left open at a line's end
            return
        self._bracket += character
        if character in grammar.CLOSING:
            self._depth -= 1
            if self._depth == 0:
                self._close_bracket(self._inside(), todo)
                return
        elif character in grammar.OPENING:
            self._depth += 1
        inside = self._bracket.lstrip(grammar.OPENING)
        depth = len(self._bracket) - len(inside)  # [[1]] has 2
        inside = inside[: len(inside) - max(0, depth - self._depth)]
        too_much = is_too_deep or self.held_characters >= MAX_HELD_CHARACTERS
        if too_much or character == "\n" or not grammar.may_become_marker(inside, self._numbers_allowed):
            self._give_up_bracket(todo)

    def _inside(self) -> str:
        inside = self._bracket[1:-1]
        while inside and inside[0] in grammar.OPENING and inside[-1] in grammar.CLOSING:
            inside = inside[1:-1]
        return inside

    def _close_bracket(self, inside: str, todo: list[str]) -> None:
        numbers = grammar.source_numbers(inside)
        name = grammar.source_name(inside)
        if numbers and (self._numbers_allowed or name):
            self._numbers = numbers
        elif name:
            self._accept(Marker(self._bracket, self._length, filename=name))
        else:
            self._give_up_bracket(todo)

    def _is_index(self, following: str) -> bool:
        """Whether the closed bracket with numbers is code or a link rather than a marker."""
        if grammar.names_source(self._bracket[1:]):
            return False
        if following == "(":
            return True
        if self._blanks or self._swallowed is not None:
            return False
        before = _IDENTIFIER.search(self._tail)
        if before is None:
            return False
        name = before["name"]
        return (
            bool(before["indices"])
            or 0 in self._numbers
            or len(name) == 1
            or "_" in name
            or _CAMEL_CASE.search(name) is not None
            or following == "="
        )

    def _give_up_bracket(self, todo: list[str]) -> None:
        """The bracket is text: shows its first character and takes the others again."""
        first, rest = self._bracket[0], self._bracket[1:]
        self._bracket, self._numbers = "", ()
        if rest and rest[-1] in grammar.CLOSING and not any(c in grammar.OPENING for c in rest):
            # The whole is text; taking it again would drop nothing and decide nothing.
            self._show_with_blanks(first + rest)
            return
        todo.extend(reversed(rest))
        self._show(first)

    def _show_with_blanks(self, text: str) -> None:
        for piece in re.split(r"(\s+)", text):
            if piece.isspace():
                self._blanks += piece[: max(0, _MAX_BLANKS - len(self._blanks))]
            elif piece:
                self._show(piece)

    def _accept(self, marker: Marker) -> None:
        self._flush_pending()
        self._events.append(marker)
        self._swallowed = self._swallowed or self._blanks
        self._blanks = self._bracket = ""
        self._numbers = ()

    def _show(self, text: str) -> None:
        text = self._gap(text[0]) + text
        self._pending.append(text)
        self._length += len(text)
        self._tail = (self._tail + text)[-_TAIL:]
        self._code.feed(text)
        self._blanks, self._swallowed = "", None

    def _gap(self, following: str) -> str:
        """The blanks to show before `following`."""
        if not self._length:
            return ""
        if self._swallowed is None:
            return self._blanks
        if self._blanks:
            return max(self._blanks, self._swallowed, key=lambda blanks: blanks.count("\n"))
        if following in _CLOSES:
            return ""
        if self._swallowed:
            return self._swallowed
        before = self._tail[-1]
        touching = following.isalnum() and (before.isalnum() or before in _CLOSES)
        return " " if touching and _is_spaced(before) and _is_spaced(following) else ""

    def _flush_pending(self) -> None:
        if self._pending:
            self._events.append(VisibleText("".join(self._pending)))
            self._pending = []

    def _take_events(self) -> list[MarkerEvent]:
        self._flush_pending()
        events, self._events = self._events, []
        return events


def _is_spaced(character: str) -> bool:
    """Whether the character's script sets words apart by blanks."""
    return character < _WIDE_START or unicodedata.name(character, "").startswith(("LATIN", "HANGUL", "GREEK"))
