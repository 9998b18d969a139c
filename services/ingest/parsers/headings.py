"""Keeps the path of headings above the current place."""

from __future__ import annotations

from services.ingest.model import HeadingPath
from services.ingest.text.normalisation import one_line

MAX_HEADING_CHARACTERS = 200
MAX_TITLE_CHARACTERS = 300


class HeadingTrail:
    """The headings above the place reached so far."""

    def __init__(self) -> None:
        self._trail: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> HeadingPath:
        """The path after a heading of `level` (1 is outermost): it ends all of its own level and deeper.

        The heading is shortened to 200 characters; an empty one adds nothing to the path.
        """
        while self._trail and self._trail[-1][0] >= level:
            self._trail.pop()
        name = one_line(heading, MAX_HEADING_CHARACTERS)
        if name:
            self._trail.append((level, name))
        return tuple(name for _, name in self._trail)
