"""What every file on Qdrant Edge needs: its errors turned into ours, conditions, scrolling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import qdrant_edge as edge
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError

log = structlog.get_logger()

_SCROLL_POINTS = 512


@contextmanager
def engine_errors(operation: str) -> Iterator[None]:
    """Turns an engine's failure into STORE_UNAVAILABLE. Edge raises bare `Exception` for those."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:
            raise
        log.error("store_failed", operation=operation, error=str(error))
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            "The document store failed. Try again; if it goes on, look at the retrieval service's log.",
        ) from error


def match(key: str, value: str) -> edge.FieldCondition:
    """The condition that keyword field `key` is `value`."""
    return edge.FieldCondition(key, match=edge.MatchValue(value))


def scroll(
    shard: edge.EdgeShard, wanted: edge.Filter, with_payload: bool | list[str]
) -> Iterator[edge.Record]:
    """Every point that passes, in pieces of 512."""
    offset: edge.PointId | None = None
    while True:
        records, offset = shard.scroll(
            edge.ScrollRequest(offset=offset, limit=_SCROLL_POINTS, filter=wanted, with_payload=with_payload)
        )
        yield from records
        if offset is None:
            return
