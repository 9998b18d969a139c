"""Cleaning up in Qdrant Edge."""

from __future__ import annotations

from collections.abc import Sequence

import qdrant_edge as edge

from services.retrieval.store.edge.engine import engine_errors, match
from services.retrieval.store.edge.space import attempts_in
from services.retrieval.store.edge.tenant import EdgeTenants


class EdgeUpkeep:
    """Implements `Upkeep`."""

    def __init__(self, tenants: EdgeTenants) -> None:
        self._tenants = tenants

    async def tenants(self) -> Sequence[str]:
        return self._tenants.names()

    async def tenants_to_check(self) -> Sequence[str]:
        return self._tenants.unsettled()

    async def active_tenants(self) -> Sequence[str]:
        return [tenant.name for tenant in self._tenants.opened]

    async def unreferenced(self, tenant: str) -> Sequence[str]:
        opened = self._tenants.find(tenant)
        # Comparing counts is instant; listing 50,000 attempts takes 1.5 s.
        if opened is None or opened.is_settled:
            return ()
        referenced = opened.catalogue.referenced_attempts()
        shards = [*(space.shard for space in opened.spaces.values()), opened.documents]
        stored = {attempt_id for shard in shards for attempt_id in attempts_in(shard)}
        return sorted(stored - referenced)

    async def erase(self, tenant: str, attempt_id: str, limit: int) -> int:
        opened = self._tenants.find(tenant)
        if opened is None:
            return 0
        wanted = edge.ScrollRequest(
            limit=limit, filter=edge.Filter(must=[match("attempt_id", attempt_id)]), with_payload=False
        )
        for shard, update in (
            *((space.shard, space.update) for space in opened.spaces.values()),
            (opened.documents, opened.update_documents),
        ):
            with engine_errors("erase"):
                records, _ = shard.scroll(wanted)
            if records:
                update(edge.UpdateOperation.delete_points([record.id for record in records]), len(records))
                return len(records)
        if not opened.catalogue.is_referenced(attempt_id):
            opened.slots.release(attempt_id)
        return 0

    async def flush(self) -> None:
        for tenant in self._tenants.opened:
            tenant.flush()
