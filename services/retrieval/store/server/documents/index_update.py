"""Bringing the indexed fields of records up to date, when the program or FILTER_FIELDS has changed."""

from __future__ import annotations

import structlog
from qdrant_client import grpc as q

from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import has_id, has_text, only, selected, to_values
from services.retrieval.store.server.documents.index import RecordIndex
from services.retrieval.store.server.documents.payloads import record_from_point, text_of

log = structlog.get_logger()

_AT_ONCE = 200


async def bring_up_to_date(documents: Collection, index: RecordIndex) -> None:
    """Writes the fields of every record whose are not those of `index`: about a minute for 50,000.

    A record somebody else writes meanwhile keeps what that one wrote. Several processes may do this at once.
    """
    wanted = index.out_of_date()
    total = await documents.count(wanted)
    if not total:
        return
    log.info("indexing_filter_fields", documents=total)
    waiting: list[q.PointsUpdateOperation] = []
    async for point in documents.scroll(wanted, only("record", "token")):
        fields = to_values(index.payload(record_from_point(point)))
        unchanged = selected(has_id([point.id.uuid]), has_text("token", text_of(point.payload, "token")))
        setting = q.PointsUpdateOperation.SetPayload(payload=fields, points_selector=unchanged)
        waiting.append(q.PointsUpdateOperation(set_payload=setting))
        if len(waiting) == _AT_ONCE:
            await documents.change(waiting)
            waiting = []
    await documents.change(waiting)
    log.info("filter_fields_indexed", documents=total)
