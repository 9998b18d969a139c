"""Which of a set's questions are asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the questions, in the order of their file; by itself all of them."""

    first: int | None = None
    """Only so many from the start."""
    sample: int | None = None
    """Only so many, drawn at random from those."""
    seed: int = 0
    """The same seed draws the same part, and a larger sample holds the smaller."""

    def of(self, items: Sequence[T]) -> tuple[T, ...]:
        """The part of `items`; all of them when there are fewer than wanted."""
        items = items[: self.first]
        if self.sample is None:
            return tuple(items)
        order = list(range(len(items)))
        random.Random(self.seed).shuffle(order)  # noqa: S311 - a sample, no secret
        return tuple(items[place] for place in sorted(order[: self.sample]))
