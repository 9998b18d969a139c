"""What a document is called, for finding its passages.

Passages in the middle of a long document do not say whose it is. Its title does; where a file with pages has
none, its name is the next best thing. Short files repeat what they are about, and a name would only dilute
what their passages mean.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS

REVISION = 1
"""Raised when the same document and file name would give another label."""

_PIECE = re.compile(r"[^\W_]+")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]{3}")
"""A name without a word of three letters (`0001`, `p_7`) says nothing."""
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_]).{12,}|[0-9]{9,}")
"""Hashes, and numbers that machines count by."""


def label_of(title: str, filename: str, page_count: int) -> str:
    """The title, else the words of the file name if there are pages; empty when neither says anything."""
    if title or not page_count:
        return title
    stem = _INNER_CAPITAL.sub(" ", PurePath(filename).stem)
    words = [piece for piece in _PIECE.findall(stem) if not _CODE.fullmatch(piece)]
    return " ".join(words)[:MAX_TITLE_CHARACTERS] if any(map(_WORD.search, words)) else ""
