"""Whether a place in a Markdown text is inside code, followed character by character."""

from __future__ import annotations

_FENCE_LENGTH = 3  # back-ticks that open a code block (CommonMark 0.31, section 4.5)


class CodeState:
    """Follows back-ticks: code spans within a line, fenced blocks over lines.

    A code span that is not closed ends with its line, so that one stray back-tick cannot turn the rest
    of an answer into code.
    """

    def __init__(self) -> None:
        self._run = 0  # back-ticks just seen
        self._line_begun = False  # something other than blanks stands on this line before the run
        self._span = False
        self._fence = False

    @property
    def inside(self) -> bool:
        """Whether the next character is code, as far as is known."""
        if self._run == 0:
            return self._fence or self._span
        fence, span = self._after_run()
        return fence or span

    def feed(self, text: str) -> None:
        """Takes the next piece of text."""
        if not self._run and not self._span and "`" not in text and "\n" not in text:
            self._line_begun = self._line_begun or not text.isspace()
            return
        for character in text:
            if character == "`":
                self._run += 1
                continue
            if self._run:
                self._fence, self._span = self._after_run()
                self._run = 0
                self._line_begun = True
            if character == "\n":
                self._line_begun = self._span = False
            elif not character.isspace():
                self._line_begun = True

    def _after_run(self) -> tuple[bool, bool]:
        """(in a fenced block, in a span) once the run of back-ticks is over."""
        if self._run >= _FENCE_LENGTH and not self._line_begun:
            return not self._fence, False
        return self._fence, self._span if self._fence else not self._span
