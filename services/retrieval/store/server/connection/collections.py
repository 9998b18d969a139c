"""One collection of a server store, read and written with the consistency its replicas allow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.store.server.connection.calls import BatchedCalls
from services.retrieval.store.server.connection.nodes import Nodes
from services.retrieval.store.server.connection.points import ALL, NONE, to_values
from services.retrieval.store.together import both

_QUORUM = q.ReadConsistency(type=q.Quorum)
_SCROLL_POINTS = 1000
# Replicas differ while a write is on its way to them: some milliseconds, seconds when a node has just died.
_AGREE_TRIES = 60
_AGREE_PAUSE_SECONDS = 0.05


class Collection:
    """One collection."""

    def __init__(self, nodes: Nodes, name: str, clock: Clock, *, is_replicated: bool) -> None:
        self.name = name
        self.nodes = nodes
        self._clock = clock
        self._is_replicated = is_replicated
        self._calls = BatchedCalls(nodes, name)

    async def upsert(
        self,
        points: Sequence[q.PointStruct],
        *,
        ordering: q.WriteOrdering | None = None,
        update_filter: q.Filter | None = None,
    ) -> None:
        """Stores points. With `update_filter`, one that is there is only replaced if it passes."""
        await self._calls.upsert(points, ordering, update_filter)

    async def delete(self, selector: q.PointsSelector, *, ordering: q.WriteOrdering | None = None) -> None:
        """Deletes points."""
        await self.nodes.points(
            "Delete",
            q.DeletePoints(collection_name=self.name, wait=True, points=selector, ordering=ordering),
        )

    async def overwrite(self, payload: Mapping[str, Any], selector: q.PointsSelector) -> None:
        """Replaces the payload of every point selected; each change is one of its own, in some order."""
        overwrite = q.PointsUpdateOperation.OverwritePayload(
            payload=to_values(payload), points_selector=selector
        )
        await self._calls.change([q.PointsUpdateOperation(overwrite_payload=overwrite)])

    async def change(self, operations: Sequence[q.PointsUpdateOperation]) -> None:
        """Makes several changes, one after the other."""
        if operations:
            await self._calls.change(operations)

    async def set_payload(self, payload: Mapping[str, int], wanted: q.Filter) -> None:
        """Adds fields to the payload of every point that passes."""
        await self.nodes.points(
            "SetPayload",
            q.SetPayloadPoints(
                collection_name=self.name,
                wait=True,
                payload=to_values(payload),
                points_selector=q.PointsSelector(filter=wanted),
            ),
        )

    async def retrieve(
        self,
        ids: Sequence[q.PointId],
        payload: q.WithPayloadSelector = NONE,
        vectors: bool = False,
        consistency: q.ReadConsistency | None = None,
    ) -> Sequence[q.RetrievedPoint]:
        """Those of `ids` that are there."""
        return await self._calls.get(ids, payload, vectors, consistency) if ids else ()

    async def retrieve_agreed(
        self, ids: Sequence[q.PointId], payload: q.WithPayloadSelector = ALL
    ) -> Sequence[q.RetrievedPoint]:
        """Those of `ids` that are there, as most replicas have them; waits while they differ.

        A quorum read leaves out points on which the replicas asked differ, so what it leaves out is looked
        for on a single one. Raises STORE_UNAVAILABLE when they go on differing.
        """
        agreed: list[q.RetrievedPoint] = []
        missing = list(ids)
        for _ in range(_AGREE_TRIES):
            found = await self.retrieve(missing, payload, consistency=_QUORUM)
            agreed += found
            seen = {point.id.uuid for point in found}
            missing = [point for point in missing if point.uuid not in seen]
            if not missing or not self._is_replicated:
                return agreed
            missing = [point.id for point in await self.retrieve(missing)]
            if not missing:
                return agreed
            await self._clock.sleep(_AGREE_PAUSE_SECONDS)
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            "The copies of a document's record differ and do not settle. Try again in a moment.",
        )

    async def scroll(
        self,
        wanted: q.Filter,
        payload: q.WithPayloadSelector = NONE,
        *,
        start: q.PointId | None = None,
        consistency: q.ReadConsistency | None = None,
    ) -> AsyncIterator[q.RetrievedPoint]:
        """Every point that passes, by id, from `start` on, in pieces of 1,000."""
        offset = start
        while True:
            reply = await self._scrolled(wanted, payload, _SCROLL_POINTS, offset, consistency)
            for point in reply.result:
                yield point
            if not reply.HasField("next_page_offset"):
                return
            offset = reply.next_page_offset

    async def first(
        self, wanted: q.Filter, limit: int, payload: q.WithPayloadSelector = NONE
    ) -> Sequence[q.RetrievedPoint]:
        """At most `limit` points that pass, by id."""
        return list((await self._scrolled(wanted, payload, limit)).result)

    async def _scrolled(
        self,
        wanted: q.Filter,
        payload: q.WithPayloadSelector,
        limit: int,
        offset: q.PointId | None = None,
        consistency: q.ReadConsistency | None = None,
    ) -> q.ScrollResponse:
        request = q.ScrollPoints(
            collection_name=self.name,
            filter=wanted,
            limit=limit,
            offset=offset,
            with_payload=payload,
            with_vectors=q.WithVectorsSelector(enable=False),
            read_consistency=consistency,
        )
        reply: q.ScrollResponse = await self.nodes.points("Scroll", request)
        return reply

    async def scroll_agreed(
        self, wanted: q.Filter, payload: q.WithPayloadSelector = ALL
    ) -> Sequence[q.RetrievedPoint]:
        """Every point that passes, as most replicas have it; some may have stopped passing meanwhile."""
        if not self._is_replicated:
            return await _listed(self.scroll(wanted, payload))
        agreed, anywhere = await both(
            _listed(self.scroll(wanted, payload, consistency=_QUORUM)), _listed(self.scroll(wanted))
        )
        seen = {point.id.uuid for point in agreed}
        unsure = [point.id for point in anywhere if point.id.uuid not in seen]
        return [*agreed, *await self.retrieve_agreed(unsure, payload)]

    async def query(self, requests: Sequence[q.QueryPoints]) -> Sequence[Sequence[q.ScoredPoint]]:
        """The hits of several searches, made in one round trip."""
        return await self._calls.query(requests) if requests else ()

    async def count(self, wanted: q.Filter | None = None, *, exact: bool = True) -> int:
        """Points that pass."""
        request = q.CountPoints(collection_name=self.name, filter=wanted, exact=exact)
        return int((await self.nodes.points("Count", request)).result.count)

    async def all_pass(self, wanted: q.Filter, number: int) -> bool:
        """Whether `number` points pass, as most replicas have them. May say no while they differ."""
        if not self._is_replicated:
            return await self.count(wanted) == number
        # The server counts on one replica only, whatever consistency is asked for.
        return len(await _listed(self.scroll(wanted, consistency=_QUORUM))) == number

    async def facet(self, key: str, wanted: q.Filter | None = None) -> Mapping[str, int]:
        """The distinct values of keyword field `key` among points that pass, and how many have each."""
        request = q.FacetCounts(
            collection_name=self.name, key=key, filter=wanted, limit=_FACET_LIMIT, exact=True
        )
        reply = await self.nodes.points("Facet", request)
        return {hit.value.string_value: hit.count for hit in reply.hits}

    async def is_settled(self) -> bool:
        """Whether the server has built all the indexes it means to build."""
        info = await self.nodes.collections("Get", q.GetCollectionInfoRequest(collection_name=self.name))
        return bool(info.result.status == q.Green)


# More distinct values than a store of this kind can hold.
_FACET_LIMIT = 100_000_000


async def _listed(points: AsyncIterator[q.RetrievedPoint]) -> list[q.RetrievedPoint]:
    return [point async for point in points]
