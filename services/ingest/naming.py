"""What a document is called, for finding its passages: its title, and the words of its file name.

Passages in the middle of a report say neither whose it is nor of which year. Its title often says the one,
its file name the other, and files without a title have nothing but their name.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS

REVISION = 1
"""Raised when the same title and file name would give another label."""

_PIECE = re.compile(r"[^\W_]+")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]{3}")
"""A name without a word of three letters (`0001`, `p_7`) says nothing."""
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_]).{12,}|[0-9]{9,}")
"""Hashes, and numbers that machines count by."""


def label_of(title: str, filename: str) -> str:
    """The title, then those words of the file name that it does not have; at most 300 characters.

    Empty when there is no title and the name has no words.
    """
    stem = _INNER_CAPITAL.sub(" ", PurePath(filename).stem)
    words = [piece for piece in _PIECE.findall(stem) if not _CODE.fullmatch(piece)]
    if not any(map(_WORD.search, words)):
        words = []
    known = {piece.casefold() for piece in _PIECE.findall(title)}
    new = [word for word in dict.fromkeys(words) if word.casefold() not in known]
    return " ".join(filter(None, [title, *new]))[:MAX_TITLE_CHARACTERS]
