"""Words that limit what a sentence says: an exception or a condition must not be cut off from a quotation."""

from __future__ import annotations

import re

_QUALIFIER = re.compile(
    r"\b(?:unless|except(?:ing|ed)?|excluding|only|solely|if|provided|subject to|until"
    r"|but\s+(?:not?|never|only)"
    r"|nur|außer|ausgenommen|sofern|soweit|falls|wenn|vorbehaltlich|es sei denn"
    r"|sauf|excepté|seulement|uniquement|si|pourvu|à moins"
    r"|salvo|excepto|s[oó]lo|únicamente|siempre que|a menos)\b"
    r"|除非|除外|例外|如果|仅|僅|只有|前提",
    re.IGNORECASE,
)


def qualifies(text: str) -> bool:
    """Whether a piece of text holds a word of condition or exception."""
    return _QUALIFIER.search(text) is not None
