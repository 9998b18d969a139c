"""Ranges of numbers in a text, so that a question about 12 years finds the row "10 to 14 years"."""

from __future__ import annotations

import math
import re

_NUMBER = r"[€$£]?(\d[\d,]*)"
_BETWEEN = re.compile(rf"{_NUMBER}\s*(?:to|-|–|—|bis|à|and)\s*{_NUMBER}(?![\d:])")
_FROM = re.compile(rf"{_NUMBER}\s*(?:or more|or above|and more|and above|\+|oder mehr|ou plus)")
_ABOVE = re.compile(rf"\b(?:above|over|more than|at least|from|ab|über|mindestens)\s+{_NUMBER}")
_BELOW = re.compile(rf"\b(?:up to|below|under|less than|at most|bis zu|unter|höchstens)\s+{_NUMBER}")


def ranges(text: str) -> tuple[tuple[float, float], ...]:
    """The ranges `text` states, as (low, high), both ends included; high may be infinite."""
    if not any(character.isdecimal() for character in text):
        return ()
    found = [(_value(match[1]), _value(match[2])) for match in _BETWEEN.finditer(text)]
    found += [(_value(match[1]), math.inf) for pattern in (_FROM, _ABOVE) for match in pattern.finditer(text)]
    found += [(0.0, _value(match[1])) for match in _BELOW.finditer(text)]
    return tuple((low, high) for low, high in found if low <= high)


def _value(written: str) -> float:
    return float(written.replace(",", ""))
