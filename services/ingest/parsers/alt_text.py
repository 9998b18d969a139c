"""What authors wrote about a picture for those who cannot see it."""

from __future__ import annotations

import re

_FILE = re.compile(r"\S*\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg|webp)\Z", re.IGNORECASE)
_GENERATED = re.compile(r"description (?:automatically )?generated|automatically generated", re.IGNORECASE)
_FEWEST_WORDS = 3


def alt_text(raw: str) -> str:
    """The description on one line; empty for file names, labels of a word or two, and machine guesses."""
    text = " ".join(raw.split())
    if len(text.split()) < _FEWEST_WORDS or _FILE.search(text) or _GENERATED.search(text):
        return ""
    return text
