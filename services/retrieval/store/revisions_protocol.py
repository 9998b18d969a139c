"""What keeping answers asks of a store."""

from __future__ import annotations

from typing import Protocol


class CorpusRevisions(Protocol):
    """Names the states of each tenant's documents, for those who keep what was made of them."""

    async def current(self, tenant: str) -> str:
        """The present revision: another one than before whenever `advance` returned in between.

        Never one that was current before, not even in another life of the store. Every process that uses
        the store is told the same; while it is being advanced all the time, one that is nobody else's.
        """
        ...

    async def advance(self, tenant: str) -> None:
        """Ends the present revision. Called after documents have changed, before that is acknowledged."""
        ...

    async def advance_all(self) -> None:
        """Does so for every tenant: a process may have died in between."""
        ...
