"""A table of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """A dict filled by `put` alone, which forgets what was put in first when there is more than `limit`.

    Nothing is reordered when it is read: reading is what a search does a hundred times.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def put(self, entries: Mapping[K, V]) -> None:
        """Adds entries or replaces them."""
        self.update(entries)
        while len(self) > self._limit:
            del self[next(iter(self))]

    def drop(self, keys: Iterable[K]) -> None:
        """Forgets entries, as far as they are there."""
        for key in keys:
            self.pop(key, None)
