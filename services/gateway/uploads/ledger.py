"""Which documents of an upload stream are under way. Pure bookkeeping, no I/O.

The ledger holds one small record for each document that has begun and not ended, so the gateway can say
what became of each when the ingest service dies, and never holds a document's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadProgress
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentsRequest, UploadDocumentsResponse
from libs.errors import DocuQueryError

if TYPE_CHECKING:
    from libs.errors import Reason

MAX_PIECE_BYTES = 1024 * 1024
"""Largest `data` of one message (docuquery_service.proto)."""

MAX_UPLOAD_ID_CHARACTERS = 128

MAX_REFUSED = 1000
"""A stream with so many unusable uploads is a program gone wrong, and its ids would fill our memory."""


class _Stage(Enum):
    ARRIVING = "arriving"
    WITH_INGEST = "with_ingest"


@dataclass(slots=True)
class _Upload:
    stage: _Stage = _Stage.ARRIVING
    document_id: str = ""


class UploadLedger:
    """The state of one stream."""

    def __init__(self) -> None:
        self._open: dict[str, _Upload] = {}
        self._refused: set[str] = set()

    def check(self, message: UploadDocumentsRequest) -> UploadDocumentsResponse | None:
        """Notes a message from the caller; what the caller must be told when it cannot be used.

        A refused document is refused once; `is_refused` holds for the rest of its messages. Raises
        UPLOAD_PROTOCOL_VIOLATION when a stream holds too many of them.
        """
        upload_id = message.upload_id
        if not 1 <= len(upload_id) <= MAX_UPLOAD_ID_CHARACTERS:
            return self._refuse(upload_id, f"upload_id must have 1 to {MAX_UPLOAD_ID_CHARACTERS} characters.")
        part = message.WhichOneof("part")
        if part == "data" and len(message.data) > MAX_PIECE_BYTES:
            return self._refuse(
                upload_id,
                f"A piece has {len(message.data)} bytes; at most {MAX_PIECE_BYTES} go into one message. "
                "Send the document again in smaller pieces, under another upload_id.",
            )
        if part == "header":
            self._open.setdefault(upload_id, _Upload())
        elif part == "footer" and upload_id in self._open:
            self._open[upload_id].stage = _Stage.WITH_INGEST
        return None

    def has_begun(self, upload_id: str) -> bool:
        """Whether this document has begun and not ended."""
        return upload_id in self._open

    def is_refused(self, upload_id: str) -> bool:
        """Whether this document was refused here: its messages go no further, in either direction."""
        return _key(upload_id) in self._refused

    def acknowledge(self, upload_id: str, document_id: str, *, final: bool) -> None:
        """Notes an acknowledgement of the ingest service."""
        if final:
            self._open.pop(upload_id, None)
        elif upload_id in self._open and document_id:
            self._open[upload_id].document_id = document_id

    @property
    def ingest_is_busy(self) -> bool:
        """Whether the next word is the ingest service's: it holds a whole document."""
        return any(upload.stage is _Stage.WITH_INGEST for upload in self._open.values())

    @property
    def has_unfinished(self) -> bool:
        """Whether a document has begun and not ended."""
        return bool(self._open)

    def give_up(self, error: DocuQueryError) -> list[UploadDocumentsResponse]:
        """The last word on every unfinished document: FAILED, because of `error`."""
        failed = [
            failure(upload_id, error.reason, error.message, error.retryable, upload.document_id)
            for upload_id, upload in self._open.items()
        ]
        self._open.clear()
        return failed

    def _refuse(self, upload_id: str, why: str) -> UploadDocumentsResponse | None:
        key = _key(upload_id)
        known = key in self._refused
        self._refused.add(key)
        self._open.pop(upload_id, None)
        if len(self._refused) > MAX_REFUSED:
            raise DocuQueryError(
                reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION,
                f"More than {MAX_REFUSED} uploads of this stream break the protocol. {why}",
            )
        return None if known else failure(key, reasons.ERROR_REASON_INVALID_REQUEST, why, retryable=False)


def _key(upload_id: str) -> str:
    """The id, cut where it is too long already: a hostile one could fill megabytes."""
    return upload_id[: MAX_UPLOAD_ID_CHARACTERS + 1]


def failure(
    upload_id: str, reason: Reason, message: str, retryable: bool, document_id: str = ""
) -> UploadDocumentsResponse:
    """The acknowledgement that a document was not ingested."""
    response = UploadDocumentsResponse(upload_id=upload_id, document_id=document_id)
    response.progress.failed.reason = reason
    response.progress.failed.message = message
    response.progress.failed.retryable = retryable
    return response


def is_final(progress: UploadProgress) -> bool:
    """Whether nothing more follows about this document."""
    return progress.WhichOneof("event") in ("done", "failed")
