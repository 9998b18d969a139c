"""Which passages a marker names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from services.answer.citations.grammar import source_numbers
from services.answer.citations.markers import Marker
from services.answer.model import Passage
from services.answer.prompts.sanitise import attribute

_LOCATOR = re.compile(
    r"[,;(]?\s*\b(?:pp?\.|pages?|lines?|sections?|chapters?|chunks?|seite|§)\s*[\w.\s–—-]*\)?$", re.IGNORECASE
)
_EXTENSION = re.compile(r"\.\w{1,6}$")
_WRAPPING = " \t\"'`*_“”‘’"
_SEPARATORS = (";", ",", " and ", " & ")


class SourceResolver:
    """Maps markers to the passages given to the model."""

    def __init__(self, passages: Sequence[Passage], groups: Sequence[Sequence[int]] | None = None) -> None:
        """`groups[n - 1]`: the 0-based passages the number n stands for; default: each for itself."""
        own = [(index,) for index in range(len(passages))]
        self._groups = own if groups is None else [tuple(group) for group in groups]
        self._by_name: dict[str, list[int]] = {}
        for index, passage in enumerate(passages):
            names = {_key(passage.filename), _key(_basename(passage.filename))}
            for name in names - {""}:
                self._by_name.setdefault(name, []).append(index)

    def resolve(self, marker: Marker) -> tuple[list[tuple[int, ...]], bool]:
        """What `marker` names, and whether it also names something that was not given.

        Each entry is one source: the 0-based passages it may mean. A number means those of its group, a
        file name all passages of that file, compared without case and folder. Numbers and names that fit
        nothing give no entry.
        """
        if not marker.filename:
            return self._numbered(marker.source_numbers)
        found = self._named(marker.filename)
        known = [source for source in found if source]
        return known, len(known) < len(found) or not known

    def _numbered(self, numbers: Sequence[int]) -> tuple[list[tuple[int, ...]], bool]:
        known = [self._groups[number - 1] for number in numbers if 1 <= number <= len(self._groups)]
        return known, len(known) < len(numbers)

    def _named(self, written: str) -> list[tuple[int, ...]]:
        """One entry per file of the list, empty for one that was not given.

        The whole is tried first, since names may hold separators.
        """
        whole = self._file(written)
        if whole:
            return [whole]
        for separator in _SEPARATORS:
            if separator in written:
                parts = [part for part in written.split(separator) if part.strip(_WRAPPING)]
                found = [entry for part in parts for entry in self._named(part) or _missing(part)]
                if any(found):
                    return found
        return []

    def _file(self, written: str) -> tuple[int, ...]:
        for name in (written, _LOCATOR.sub("", written)):
            bare = name.strip(_WRAPPING)
            for key in (_key(bare), _key(_basename(bare))):
                if key in self._by_name:
                    return tuple(self._by_name[key])
        numbers = source_numbers(written)
        known, unknown = self._numbered(numbers)
        return known[0] if len(known) == 1 and not unknown else ()


def _missing(part: str) -> list[tuple[int, ...]]:
    """An empty entry for what looks like a file's name; `second paragraph` names no file."""
    return [()] if _EXTENSION.search(part.strip(_WRAPPING)) else []


def _basename(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _key(name: str) -> str:
    """What file names are compared by; a model knows them only as the prompt spelled them."""
    return unicodedata.normalize("NFC", attribute(name)).casefold()
