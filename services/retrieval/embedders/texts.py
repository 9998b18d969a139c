"""Texts on their way to a model: which are refused, and which go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libs.text import utf8_length

_BYTES_A_TOKEN = 3
"""English has about four bytes a token, code and most other scripts three: rather too many than too few."""


def refuse_blank(texts: Sequence[str]) -> None:
    """Raises ValueError when a text has nothing but white space."""
    if not all(text.strip() for text in texts):
        raise ValueError("a blank text has no meaning to embed")


def estimated_tokens(text: str) -> int:
    """About how many tokens a model makes of `text`; at least 1."""
    return max(1, utf8_length(text) // _BYTES_A_TOKEN)


def batches(texts: Sequence[str], *, max_texts: int, max_tokens: int) -> Iterator[slice]:
    """Cuts `texts` into consecutive slices of at most so many texts and estimated tokens.

    A text that alone has more tokens is a slice of its own.
    """
    start, tokens = 0, 0
    for i, text in enumerate(texts):
        added = estimated_tokens(text)
        if i > start and (i - start == max_texts or tokens + added > max_tokens):
            yield slice(start, i)
            start, tokens = i, 0
        tokens += added
    if texts:
        yield slice(start, len(texts))
