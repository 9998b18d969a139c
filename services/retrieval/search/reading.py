"""What answers questions: all of one vector space, exchanged for that of another at one stroke."""

from __future__ import annotations

from dataclasses import dataclass

from libs.rpc.deadlines import Deadline
from services.retrieval.search.passages import PassageRequest, Passages, PassageText
from services.retrieval.search.searcher import Found, Searcher, SearchRequest


@dataclass(frozen=True, slots=True)
class Side:
    """Answers from one vector space."""

    embedder: str
    """The name of its embedder."""
    searcher: Searcher
    passages: Passages


class Reading:
    """Asks the side of the moment. A search that has begun stays with the side it began with."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def switch(self, side: Side) -> None:
        """From now on, `side` answers."""
        self._side = side

    @property
    def embedder(self) -> str:
        """The name of the embedder by whose vectors searches go."""
        return self._side.embedder

    async def search(self, tenant: str, request: SearchRequest, deadline: Deadline) -> Found:
        """As `Searcher.search`."""
        return await self._side.searcher.search(tenant, request, deadline)

    async def get(self, tenant: str, request: PassageRequest) -> PassageText:
        """As `Passages.get`."""
        return await self._side.passages.get(tenant, request)
