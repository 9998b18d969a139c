"""Whether a place in a Markdown text is inside code, followed character by character."""

from __future__ import annotations

import re

_FENCE_LENGTH = 3  # back-ticks or tildes that open a code block (CommonMark 0.31, section 4.5)
_PROSE = frozenset({"markdown", "md", "text", "txt", "plaintext"})
"""Info strings of blocks that hold an answer in words, which some models wrap so."""


_FENCE_LINE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n]*$", re.MULTILINE)


def without_fences(text: str) -> str:
    """`text` with blanks for the lines that open and close code blocks; places stay what they are."""
    if "```" not in text and "~~~" not in text:
        return text
    return _FENCE_LINE.sub(lambda match: " " * len(match.group()), text)


class CodeState:
    """Follows back-ticks and tildes: code spans within a line, fenced blocks over lines.

    A code span that is not closed ends with its line, so that one stray back-tick cannot turn the rest
    of an answer into code.
    """

    def __init__(self) -> None:
        self._mark = "`"  # of the run just seen
        self._run = 0  # marks just seen
        self._line_begun = False  # something other than blanks stands on this line before the run
        self._span = False
        self._fence = ""  # the mark that opened the block; empty outside
        self._info: str | None = None  # what follows the opening fence on its line, while on that line
        self._prose = False

    @property
    def inside(self) -> bool:
        """Whether the next character is code, as far as is known."""
        fence, span = self._after_run() if self._run else (self._fence, self._span)
        return (bool(fence) and not self._prose) or span

    def feed(self, text: str) -> None:
        """Takes the next piece of text."""
        quiet = not self._run and not self._span and self._info is None
        if quiet and "`" not in text and "~" not in text and "\n" not in text:
            self._line_begun = self._line_begun or not text.isspace()
            return
        for character in text:
            if character in "`~" and (not self._run or character == self._mark):
                self._mark = character
                self._run += 1
                continue
            if self._run:
                self._end_run()
                if character in "`~":
                    self._mark, self._run = character, 1
                    continue
            if character == "\n":
                self._line_begun = self._span = False
                if self._info is not None:
                    self._prose = self._info.strip().lower() in _PROSE
                    self._info = None
            elif not character.isspace():
                self._line_begun = True
            if self._info is not None:
                self._info += character

    def _end_run(self) -> None:
        was_open = bool(self._fence)
        self._fence, self._span = self._after_run()
        if bool(self._fence) != was_open:
            self._info = None if was_open else ""
            self._prose = False
        self._run = 0
        self._line_begun = True

    def _after_run(self) -> tuple[str, bool]:
        """(mark of the open block, in a span) once the run of marks is over."""
        if self._run >= _FENCE_LENGTH and not self._line_begun and self._fence in ("", self._mark):
            return "" if self._fence else self._mark, False
        if self._mark == "~":
            return self._fence, self._span
        return self._fence, self._span if self._fence else not self._span
