"""Chunks that a Qdrant server leaves out of searches for a while, and how they are made to show.

A point that is written while the server begins to optimise its segment may be missing from every scored
search until the optimisation ends: tenths of a second for a small segment, minutes for a large one. Reading
by id, counting and scrolling do not miss it (qdrant/qdrant#9116; 1.16 has the fault). Any write to such a
point moves it to a segment that is searched.
"""

from __future__ import annotations

from collections.abc import Collection as Group

from qdrant_client import grpc as q

from services.retrieval.store.payloads import LACKS
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import DENSE, NONE, every, has_one_of, has_text

# Attempts looked at by one search.
_AT_ONCE = 50
_MARK = "shown_again"


class HiddenChunks:
    """Looks for them in one collection of chunks."""

    def __init__(self, collection: Collection, dimensions: int) -> None:
        self._collection = collection
        self._any_vector = q.VectorInput(dense=q.DenseVector(data=[1.0] * dimensions))
        self._fresh: set[str] = set()
        self._settling: set[str] = set()

    def note(self, attempt_ids: Group[str]) -> None:
        """Chunks of these attempts are being written."""
        self._fresh.update(attempt_ids)

    async def uncover(self, attempt_ids: Group[str], seen: int) -> bool:
        """Whether a search by meaning for all chunks of `attempt_ids`, which found `seen`, missed any.

        Those show from now on.
        """
        if await self._collection.count(_with_meaning(attempt_ids)) <= seen:
            return False
        await self._touch(attempt_ids)
        return True

    async def revisit(self) -> None:
        """Makes chunks show that were written since the last call but one, and before the last.

        To be called every second or so: where an optimisation had begun with a write, it shows by then.
        """
        due, self._settling, self._fresh = self._settling, self._fresh, set()
        try:
            while due:
                some = list(due)[:_AT_ONCE]
                written = await self._collection.count(_with_meaning(some))
                if written and not await self._shows(some, written):
                    await self._touch(some)
                due.difference_update(some)
        finally:
            self._settling |= due

    async def _shows(self, attempt_ids: Group[str], number: int) -> bool:
        """Whether a search finds `number` chunks of these attempts: it is asked for the last one only."""
        last = q.QueryPoints(
            collection_name=self._collection.name,
            query=q.Query(nearest=self._any_vector),
            using=DENSE,
            filter=_with_meaning(attempt_ids),
            params=q.SearchParams(exact=True),
            offset=number - 1,
            limit=1,
            with_payload=NONE,
        )
        (found,) = await self._collection.query([last])
        return bool(found)

    async def _touch(self, attempt_ids: Group[str]) -> None:
        await self._collection.set_payload({_MARK: 1}, every(has_one_of("attempt_id", attempt_ids)))


def _with_meaning(attempt_ids: Group[str]) -> q.Filter:
    """The chunks of these attempts that have a dense vector."""
    return q.Filter(must=[has_one_of("attempt_id", attempt_ids)], must_not=[has_text(LACKS, "dense")])
