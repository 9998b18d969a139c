"""Answers in this process: found by question and key, bounded in number, bytes and age, fair to tenants."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.clock import Clock
from services.retrieval.answers.question_forms import QuestionForms

_OVERHEAD_BYTES = 1000
"""What an entry takes besides its texts: objects and their slots in the tables."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was given."""

    question: str
    documents: frozenset[tuple[str, str]]
    """(document id, version) of every source."""
    payload: bytes
    """Sources and answer, for whoever asked for them to be kept."""


class _Name(NamedTuple):
    key: bytes
    form: str


@dataclass(slots=True)
class Kept:
    """An answer in the memory."""

    answer: Answer
    exact: _Name
    near: _Name
    stored_at: float
    """On the clock's monotonic scale, in seconds."""
    size_bytes: int


class Place(NamedTuple):
    """Where an answer holds: answers of other places are never found."""

    tenant: str
    revision: str
    """Of the tenant's documents."""
    key: bytes
    """Digest of everything else the answer depends on."""


@dataclass(slots=True)
class _Section:
    """One tenant's answers, all of one revision, the least recently used first."""

    tenant: str
    revision: str
    kept: OrderedDict[_Name, Kept] = field(default_factory=OrderedDict)
    near: dict[_Name, Kept] = field(default_factory=dict)
    """The newest of each near form."""
    size_bytes: int = 0


class AnswerMemory:
    """Not thread-safe; every method returns without waiting."""

    def __init__(self, clock: Clock, *, ttl_seconds: float, max_entries: int, max_bytes: int) -> None:
        """When there is too much, the tenant that has most loses its least recently used answer."""
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        # The least recently used tenant first, which of equals is the one to lose an answer.
        self._sections: OrderedDict[str, _Section] = OrderedDict()
        self._entries = 0
        self._size_bytes = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def size_bytes(self) -> int:
        """Estimated memory of all answers."""
        return self._size_bytes

    def find(self, place: Place, forms: QuestionForms) -> Kept | None:
        """The answer to the same question, or None."""
        section = self._section(place)
        return self._fresh(section, section.kept.get(_Name(place.key, forms.exact))) if section else None

    def find_near(self, place: Place, forms: QuestionForms) -> Kept | None:
        """The newest answer to a question of the same near form, or None."""
        section = self._section(place)
        return self._fresh(section, section.near.get(_Name(place.key, forms.near))) if section else None

    def put(self, place: Place, forms: QuestionForms, answer: Answer) -> None:
        """Keeps an answer, in the place of an earlier one to the same question.

        The tenant's answers of another revision are forgotten: `place.revision` must be the present one.
        """
        section = self._section(place)
        if section is None:
            self.forget(place.tenant)
            section = _Section(place.tenant, place.revision)
        texts = (answer.question, forms.exact, forms.near)
        kept = Kept(
            answer=answer,
            exact=_Name(place.key, forms.exact),
            near=_Name(place.key, forms.near),
            stored_at=self._clock.monotonic(),
            size_bytes=_OVERHEAD_BYTES + len(answer.payload) + sum(4 * len(text) for text in texts),
        )
        if kept.exact in section.kept:
            self._remove(section, section.kept[kept.exact])
        section.kept[kept.exact] = section.near[kept.near] = kept
        section.size_bytes += kept.size_bytes
        self._size_bytes += kept.size_bytes
        self._entries += 1
        self._sections[place.tenant] = section
        self._sections.move_to_end(place.tenant)
        while self._entries > self._max_entries:
            self._evict(lambda section: len(section.kept))
        while self._size_bytes > self._max_bytes:
            self._evict(lambda section: section.size_bytes)

    def drop(self, tenant: str, kept: Kept) -> None:
        """Forgets one answer that was found; one that is gone meanwhile is no fault."""
        section = self._sections.get(tenant)
        if section is not None and section.kept.get(kept.exact) is kept:
            self._remove(section, kept)

    def forget(self, tenant: str) -> None:
        """Forgets a tenant's answers."""
        section = self._sections.pop(tenant, None)
        if section is not None:
            self._entries -= len(section.kept)
            self._size_bytes -= section.size_bytes

    def age_seconds(self, kept: Kept) -> float:
        """How long an answer has been kept."""
        return self._clock.monotonic() - kept.stored_at

    def _section(self, place: Place) -> _Section | None:
        section = self._sections.get(place.tenant)
        return section if section is not None and section.revision == place.revision else None

    def _fresh(self, section: _Section, kept: Kept | None) -> Kept | None:
        if kept is None:
            return None
        if self.age_seconds(kept) >= self._ttl_seconds:
            self._remove(section, kept)
            return None
        section.kept.move_to_end(kept.exact)
        self._sections.move_to_end(section.tenant)
        return kept

    def _evict(self, measure: Callable[[_Section], int]) -> None:
        section = max(self._sections.values(), key=measure)
        self._remove(section, next(iter(section.kept.values())))

    def _remove(self, section: _Section, kept: Kept) -> None:
        del section.kept[kept.exact]
        if section.near.get(kept.near) is kept:
            del section.near[kept.near]
        section.size_bytes -= kept.size_bytes
        self._size_bytes -= kept.size_bytes
        self._entries -= 1
        if not section.kept:
            del self._sections[section.tenant]
