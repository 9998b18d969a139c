"""Keeps what a provider quotes of a prompt out of the log: questions and documents have no place there."""

from __future__ import annotations

from collections.abc import Sequence

LENGTH = 12
"""Characters in a row that a message and a prompt have in common only when one quotes the other."""

SHORTEST = 4
"""Characters below which a text is a syllable that stands everywhere."""

_HIDDEN = "[quote]"


def without_quotes(message: str, texts: Sequence[str]) -> str:
    """`message` with `[quote]` for everything in it that stands in one of `texts`.

    Pieces of LENGTH characters or more count; of a shorter text, the whole of it, from SHORTEST on.
    """
    private = "\n".join(texts)
    marks = [False] * len(message)

    def hide(start: int, end: int) -> None:
        marks[start:end] = [True] * (end - start)

    for start in range(len(message) - LENGTH + 1):
        if message[start : start + LENGTH] in private:
            hide(start, start + LENGTH)
    for text in {text.strip() for text in texts if SHORTEST <= len(text.strip()) < LENGTH}:
        found = message.find(text)
        while found >= 0:
            hide(found, found + len(text))
            found = message.find(text, found + 1)
    pieces: list[str] = []
    for index, character in enumerate(message):
        if not marks[index]:
            pieces.append(character)
        elif index == 0 or not marks[index - 1]:
            pieces.append(_HIDDEN)
    return "".join(pieces)
