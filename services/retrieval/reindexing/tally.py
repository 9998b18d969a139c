"""What is filled already, counted as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from services.retrieval.store.progress import FillProgress


class Tally:
    """The attempts that are in a space whole, and how fast they got there."""

    def __init__(self) -> None:
        self._attempts: dict[str, dict[str, int]] = {}
        self._documents = self._chunks = 0
        self._document_count = self._chunk_count = 0
        self._started: float | None = None
        self.made = 0
        """Chunks written so far."""
        self.under_way = 0
        """Chunks dealt with, of attempts that are not whole yet."""

    @property
    def attempts(self) -> Mapping[str, AbstractSet[str]]:
        """By tenant."""
        return {tenant: counts.keys() for tenant, counts in self._attempts.items()}

    def of(self, tenant: str) -> AbstractSet[str]:
        """Those of one tenant."""
        return self._attempts.get(tenant, {}).keys()

    def begin(self, documents: int, chunks: int, now: float) -> None:
        """There are so many live ones altogether; `now` is monotonic."""
        self._document_count, self._chunk_count = documents, chunks
        if self._started is None:
            self._started = now

    def add(self, tenant: str, attempt_id: str, chunks: int) -> None:
        """The attempt is there whole."""
        counts = self._attempts.setdefault(tenant, {})
        if attempt_id not in counts:
            counts[attempt_id] = chunks
            self._documents += 1
            self._chunks += chunks

    def keep_only(self, tenant: str, attempt_ids: AbstractSet[str]) -> None:
        """The tenant's others have been replaced or deleted."""
        counts = self._attempts.get(tenant, {})
        for attempt_id in counts.keys() - attempt_ids:
            self._documents -= 1
            self._chunks -= counts.pop(attempt_id)

    def progress(self, now: float) -> FillProgress:
        """How far it is."""
        chunks = self._chunks + self.under_way
        elapsed = now - (now if self._started is None else self._started)
        return FillProgress(
            documents=self._documents,
            document_count=max(self._document_count, self._documents),
            chunks=chunks,
            chunk_count=max(self._chunk_count, chunks),
            chunks_per_second=self.made / elapsed if elapsed > 0 else 0.0,
        )
