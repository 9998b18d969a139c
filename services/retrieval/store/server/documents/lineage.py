"""Which of several writes that built on one revision of a record won, told by reading back.

Each write carries a random token, and lists those of the writes before it, as many as may still be read back.
So a writer finds its own, even when others have built on it meanwhile. One who finds so many later ones that
its own would no longer be listed cannot tell, and fails, since starting over might make a change twice.
"""

from __future__ import annotations

from datetime import timedelta

from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import Payload
from services.retrieval.store.server.connection.points import KIND_RECORD
from services.retrieval.store.server.documents.payloads import integer_of, text_of

# While copies differ reading back takes tenths of a second, and others make two hundred changes a second.
_MAX_LISTED = 100
# Nobody reads a write back that was made so long before the next one.
_GAP = timedelta(minutes=1)
_MAX_REMEMBERED_RECORDS = 10_000


class Lineages:
    """The tokens behind the records this process has read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[tuple[str, int], tuple[str, ...]] = {}

    def note(self, point: q.RetrievedPoint, record: DocumentRecord) -> None:
        """`record` was read from `point`, and may be built on."""
        if len(self._tokens) >= _MAX_REMEMBERED_RECORDS:
            self._tokens.clear()
        is_recent = record.update_time > self._clock.now() - _GAP
        self._tokens[point.id.uuid, record.revision] = _tokens(point)[-_MAX_LISTED:] if is_recent else ()

    def behind(self, point: q.PointId, revision: int) -> Payload:
        """What a write that builds on `revision` is to carry."""
        return {"former_tokens": self._tokens.get((point.uuid, revision), ())}


def is_record(point: q.RetrievedPoint) -> bool:
    """Whether a record stands there: not the mark of one that was removed."""
    return text_of(point.payload, "kind") == KIND_RECORD


def has_won(written: Payload, stored: q.RetrievedPoint | None) -> bool:
    """Whether the record `stored` is the one `written`, or builds on it.

    Raises STORE_UNAVAILABLE when that cannot be told.
    """
    if stored is None or not is_record(stored):
        return False
    tokens = _tokens(stored)
    if written["token"] in tokens:
        return True
    is_same_life = integer_of(stored.payload, "create_time") == written["create_time"]
    if is_same_life and integer_of(stored.payload, "revision") - written["revision"] >= len(tokens):
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            "Too many others changed this document to tell whether this change was made. Look at the "
            "document, and try again if need be.",
        )
    return False


def _tokens(point: q.RetrievedPoint) -> tuple[str, ...]:
    """Those of the last writes of a record, the latest last."""
    former = point.payload["former_tokens"].list_value.values if "former_tokens" in point.payload else ()
    return (*(value.string_value for value in former), text_of(point.payload, "token"))
