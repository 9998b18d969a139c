"""Drops passages that say nothing new: the same text, or text that stands in another passage."""

from __future__ import annotations

from collections.abc import Sequence

from services.answer.model import Passage


def distinct(passages: Sequence[Passage]) -> list[int]:
    """Indices of the passages to keep, in their order.

    White space and case do not count. Of two equal texts the first is kept; of one that stands in another,
    the longer, in the place of the better of the two. Texts that are merely alike are all kept: two
    versions of a rule that differ in one number are what a reader must see.
    """
    texts = [" ".join(passage.text.split()).casefold() for passage in passages]
    kept: list[int] = []
    for index, text in enumerate(texts):
        if any(_stands_in(text, texts[other]) for other in kept):
            continue
        shorter = [position for position, other in enumerate(kept) if _stands_in(texts[other], text)]
        if not shorter:
            kept.append(index)
            continue
        kept[shorter[0]] = index
        for position in reversed(shorter[1:]):
            del kept[position]
    return kept


def _stands_in(text: str, other: str) -> bool:
    """Whether `other` holds `text` as whole words."""
    start = other.find(text)
    while start >= 0:
        end = start + len(text)
        begins = start == 0 or not (other[start - 1].isalnum() and text[:1].isalnum())
        ends = end == len(other) or not (other[end].isalnum() and text[-1:].isalnum())
        if begins and ends:
            return True
        start = other.find(text, start + 1)
    return False
